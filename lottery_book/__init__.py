"""The pages' own code: one file or folder a chapter, the published numbers, the building of the book."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
