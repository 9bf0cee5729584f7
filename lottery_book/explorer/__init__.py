"""Chapter 14: a search step by step in the browser."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
