"""Chapter 18: subnetworks chosen on examples they are not scored on."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
