"""From notebooks to the book: what each needs, running them, storing them, the pages made from docstrings."""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
