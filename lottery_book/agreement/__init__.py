"""Chapters 8 and 9: how far seeds and tasks keep the same components."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
