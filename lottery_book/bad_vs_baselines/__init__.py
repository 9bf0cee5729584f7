"""Chapter 7: bad subnetworks beside simple models and random weights, and fine-tuned for longer."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
