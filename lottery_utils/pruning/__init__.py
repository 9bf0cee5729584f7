"""Which parts of a model stay: masks, importance, the two searches, the controls."""
