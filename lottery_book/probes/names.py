"""The words of this room, in the order in which arrays hold them; needs no torch."""

from __future__ import annotations

PROBES = ("part of speech", "number", "depth", "role")
UNTRAINED = ("pretrained", "random_init")  # read beside the fine-tuned network and its subnetworks
# the pre-trained weights under the masks, never fine-tuned: what is due to which parts are kept, and nothing else
MASKED = ("good.masked", "random.masked", "bad.masked")
