"""The words of this room, and where slices and paths are sampled; needs no torch."""

from __future__ import annotations

from lottery_utils.experiment.cells import COMPARED

# sizes of a step, relative to the norm of the filter it moves (Li et al. 2018); close together near 0
SIZES = (-1.0, -0.7, -0.4, -0.2, 0.0, 0.2, 0.4, 0.7, 1.0)
POINTS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # places on a path, 0 and 1 are its ends
SURFACE_REACH = 1.0  # a surface goes from minus to plus this size
SURFACE_SHARE = 0.5  # of the examples, as a surface has many more points

SUBNETWORKS = COMPARED
ORDERED = (("good", "random"), ("random", "bad"), ("good", "bad"))  # pairs in which the first is said to be better
TREATMENTS = ("pruned", "retrained")
NETWORKS = ("full", *(f"{name}.{how}" for how in TREATMENTS for name in SUBNETWORKS))
SURFACES = ("full", *(f"{name}.retrained" for name in SUBNETWORKS))
# paths between models of one seed (subnetworks retrained), and between models of this and the next seed
WITHIN = (("good", "bad"), ("good", "random"), ("random", "bad"), ("full", "good"), ("full", "bad"))
ACROSS = ("full", *SUBNETWORKS)
