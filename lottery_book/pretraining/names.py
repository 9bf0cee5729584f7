"""What the models of chapter 17 were pre-trained on, by the names of their folders."""

CORPORA = ("language", "shuffled", "brackets", "zipf", "none")
