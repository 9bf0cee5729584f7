"""The words of this room, in the order in which arrays hold them; needs no torch."""

from __future__ import annotations

PROBES = ("part of speech", "number", "depth", "role")
ANSWERS = ("linguistic", "control")
UNTRAINED = ("pretrained", "random_init")  # read beside the fine-tuned network and its subnetworks
VERSION = 1  # of sentences, labels and probe, part of the addresses
