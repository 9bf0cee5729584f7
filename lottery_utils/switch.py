"""The one switch between two ways to compute the same: plainly, or fast, by the room `fast`.

The code in `models`, `training` and `pruning` is complete. At the places named here it asks for a faster way, and goes
on by itself where there is none: where `fast` does not know the model, or where the switch is off (`with plain():`, or
LOTTERY_PLAIN=1 for a run of the command). The results are the same but for rounding, and so are their addresses;
`tests/test_plain_and_fast.py` compares them. Dropout alone draws other numbers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from .places import function_at

FAST = {  # what: a function of the same arguments, which returns None where it does not compute the model
    "forward": "lottery_utils.fast.packed_model:forward_of",
    "steps": "lottery_utils.fast.training:steps_of",
    "graphs": "lottery_utils.fast.cuda_graphs:trained_by_graphs",
    "passes": "lottery_utils.fast.cut_passes:passes_of",
    "survivals": "lottery_utils.fast.histogram:survivals",
}
_is_on = [os.environ.get("LOTTERY_PLAIN", "0") == "0"]


def faster(what: str, *given):
    """What the fast way of `FAST` makes of `given`; None where it has none, or where the switch is off."""
    return function_at(FAST[what])(*given) if _is_on[0] else None


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Inside the block everything is computed the plain way."""
    before, _is_on[0] = _is_on[0], False
    try:
        yield
    finally:
        _is_on[0] = before
