"""Chapter 18: the loss around trained weights: filter-normalised slices, sharpness, straight paths between models."""
