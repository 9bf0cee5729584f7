"""What the models of chapter 14 were pre-trained on, by the names of their folders."""

CORPORA = ("language", "shuffled", "brackets", "zipf", "none")
