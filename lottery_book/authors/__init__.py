"""Chapter 11: the authors' release as tables, read from a plain clone of their repository, no pickle ever opened."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
