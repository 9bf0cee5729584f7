"""The words of this room, in the order in which arrays hold them; needs no torch."""

from __future__ import annotations

PATTERNS = ("vertical", "diagonal", "vertical+diagonal", "block", "heterogeneous")  # Kovaleva et al. 2019
KINDS = ("raw", "normed")
WEIGHTS = ("fine-tuned", "pre-trained")
NETWORKS = ("whole", "cut")  # cut: nothing but the super-survivors is left, without training
