"""Chapters 7 and 8: how far seeds and tasks keep the same components."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
