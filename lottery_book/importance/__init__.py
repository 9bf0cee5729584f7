"""Chapter 7: the importances behind each decision of a search, and searches of heads or MLPs alone."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
