"""What the records mean: survival of components, scores and margins, comparisons. Figures draw what this returns."""
