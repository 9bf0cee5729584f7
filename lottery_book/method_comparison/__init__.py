"""Chapter 13: other ways to rank components and weights, compared at equal size."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
