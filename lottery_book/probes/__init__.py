"""Chapter 19: what a linear reader finds in the hidden states of a network's layers, with control tasks."""
