"""What the records mean, in numbers: the one statistics module."""
