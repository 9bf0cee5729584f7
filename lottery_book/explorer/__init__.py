"""Chapter 14: a search step by step in the browser."""
