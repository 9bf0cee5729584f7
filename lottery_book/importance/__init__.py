"""Chapter 8: the importances behind each decision of a search, and searches of heads or MLPs alone."""
