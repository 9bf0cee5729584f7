"""Chapter 16: what a linear reader finds in the hidden states of a network's layers, with control tasks."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
