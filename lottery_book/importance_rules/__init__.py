"""Chapter 20: ways in which scripts sum the gradients of gates, and what they do to a search."""
