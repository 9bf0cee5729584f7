"""Chapter 17: ways in which scripts sum the gradients of gates, and what they do to a search."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
