"""The one error a user can cause: the command line prints it as a single line and exits with 2."""


class UserError(ValueError):
    """Bad input: names the thing, what was expected, what was got and what to do, in one line."""


class CellFailed(RuntimeError):
    """A cell cannot go on (a non-finite loss, say); the message starts with the cell's name."""
