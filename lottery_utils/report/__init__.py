"""How results are shown: figures, tables, the execution of the chapters, the book."""
