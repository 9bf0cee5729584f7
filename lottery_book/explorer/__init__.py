"""Chapter 12: maps of heads and MLPs that answer to pointer, keys and links, a search step by step.

A still picture beside them is what print and search engines see. They are drawn in the browser by Vega, which
`building.extension` puts into the book; nothing is fetched from elsewhere.
"""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
