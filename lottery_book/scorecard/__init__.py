"""Chapter 13: the paper's claims, each judged on every source."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
