"""Chapter 14: lottery tickets of models pre-trained on language, on other symbols and on nothing."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
