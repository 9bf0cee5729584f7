"""From notebooks to the book: what each needs, running them, storing them, the pages made from docstrings."""
