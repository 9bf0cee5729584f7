"""The scorecard: the paper's claims, each judged once on each source of evidence; chapters cite the verdicts."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
