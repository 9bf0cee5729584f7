"""Ways to choose what goes: scores of heads and MLPs, scores of single weights, each by name, and your own from a file.

A registry for each kind: a name, a line that says what it is, and where its function lies; that is imported when it is
used, so this module needs no torch. `score` ranks components in s-pruning, `unstructured` single weights in m-pruning.
"""

from __future__ import annotations

import hashlib
import re
import runpy
from collections.abc import Callable
from typing import NamedTuple

from .disk import content_of
from .errors import UserError, library_errors, shown, usable_path
from .places import function_at

CURVE_SIZES = tuple(round(0.95 - 0.05 * i, 2) for i in range(19))  # shares left, 0.95 to 0.05, that a curve looks at
OWN = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")


class Method(NamedTuple):
    """A way to rank: one line about it, and its function as ``module:function``."""

    about: str
    place: str


METHODS = {  # by preset field and name; the first of each is the paper's and the default
    "score": {
        "gate": Method("how much the loss feels the gate: the paper's importance", "pruning.scores:gate"),
        "taylor": Method("first-order Taylor, squared and summed over a component's weights", "pruning.scores:taylor"),
        "output": Method("size of what the component adds to each token", "pruning.scores:output"),
        "entropy": Method("heads: how focused their attention is (low entropy stays); MLPs: as output",
                          "pruning.scores:entropy"),
        "random": Method("a random order, drawn once", "pruning.scores:random"),
    },
    "unstructured": {
        "global": Method("|w|, one threshold for the whole encoder: the paper's", "pruning.magnitude:global_size"),
        "layer": Method("|w|, the same share of every matrix and bias", "pruning.magnitude:layer_size"),
        "snip": Method("|w x gradient of the loss| on training examples, in one look", "pruning.magnitude:snip"),
        "random": Method("a random order, drawn once", "pruning.magnitude:random"),
    },
}  # fmt: skip


def check_method(kind: str, name: str) -> None:
    """Raise UserError, listing the valid names, unless `name` is known for `kind` or has the form of one's own."""
    if name not in METHODS[kind] and not is_own(name):
        valid = ", ".join(METHODS[kind])
        raise UserError(f"{kind}: unknown value {shown(name)}; valid: {valid}, or FILE.py:FUNCTION of your own")


def is_own(name: str | None) -> bool:
    """Whether a method is a function in a file of the user's."""
    return name is not None and OWN.fullmatch(name) is not None


def own_print(name: str) -> str:
    """What identifies a method of the user's in an address: its function's name and the file's content.

    Raises UserError when the file cannot be read.
    """
    place = OWN.fullmatch(name)
    content = content_of("method, FILE.py:FUNCTION", usable_path("method", place["file"]))
    return f"{place['function']} {hashlib.sha256(content).hexdigest()[:16]}"


def function_of(kind: str, name: str) -> Callable:
    """The function of a method; raises UserError for a file that cannot be imported or lacks the function."""
    check_method(kind, name)
    place = OWN.fullmatch(name)
    if place is None:
        return function_at(f"{__package__}.{METHODS[kind][name].place}")
    with library_errors(f"{kind}: {name} cannot be imported", "correct the file"):
        module = runpy.run_path(str(usable_path(kind, place["file"])), run_name="own_method")
    function = module.get(place["function"])
    if not callable(function):
        raise UserError(f"{kind}: {place['file']} has no function {place['function']!r}")
    return function
