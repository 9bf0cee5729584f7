"""Chapters 8 and 9: how far seeds and tasks keep the same components."""
