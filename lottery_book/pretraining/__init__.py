"""Chapter 17: lottery tickets of models pre-trained on language, on other symbols and on nothing."""
