"""Chapter 15: the loss around trained weights: filter-normalised slices, sharpness, straight paths between models."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
