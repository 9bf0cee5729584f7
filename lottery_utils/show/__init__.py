"""How results are shown: frames of records, statistics, figures, tables, words."""
