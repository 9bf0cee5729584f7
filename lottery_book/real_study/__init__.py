"""The headline: lead kept by good, random and bad subnetworks, as published, in the real study and in this run."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
