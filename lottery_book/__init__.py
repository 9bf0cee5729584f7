"""The pages' own code: one file or folder a chapter, the published numbers, the building of the book."""
