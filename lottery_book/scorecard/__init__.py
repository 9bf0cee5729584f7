"""Chapter 13: the paper's claims, each judged on every source."""
