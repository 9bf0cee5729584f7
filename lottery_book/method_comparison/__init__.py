"""Chapter 16: other ways to rank components and weights, compared at equal size."""
