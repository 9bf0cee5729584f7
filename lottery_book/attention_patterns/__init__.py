"""Chapter 10: maps of a model's heads, rules that draw the five types, a classifier that tells them, what survives."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
