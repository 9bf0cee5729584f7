"""What was found since: later works beside the paper's claims, and what of them could be tried on the same models."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
