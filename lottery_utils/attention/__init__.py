"""Attention patterns: maps of a model's heads, rules that draw the five types, and a classifier that tells them."""
