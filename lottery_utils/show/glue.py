"""Numbers in the chapters' prose: computed here, shown there by the role {glue:text}."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..errors import UserError
from ..places import function_at

if TYPE_CHECKING:
    from IPython.display import Markdown


class _Plain(str):
    """Text whose representation has no quotes, so that prose shows it as it is."""

    __repr__ = str.__str__


def glue_numbers(values: Mapping[str, object]) -> None:
    """Store each value under its name for {glue:text}`name`; nothing is shown in the cell.

    Text is kept as it is, whole numbers are written out, other numbers get two decimals; NaN and None show as
    "no number". Format percentages and the like yourself.
    """
    from myst_nb import glue

    for name, value in values.items():
        glue(name, _Plain(as_text(value)), display=False)


def holds(claim: str, value: float, above: float = -math.inf, below: float = math.inf) -> None:
    """Hold a sentence written by hand to the records: raises UserError unless above < value < below, so NaN fails.

    For claims about published numbers and the records in the repository; a reader's own run may come out otherwise.
    """
    if not above < value < below:
        limits = [f"above {above:g}"] * (above > -math.inf) + [f"below {below:g}"] * (below < math.inf)
        wanted = " and ".join(limits)
        raise UserError(f"a sentence no longer holds: {claim!r} needs {wanted}, got {value:g}; rewrite it")


def source(*functions: Callable | str) -> Markdown:
    """The package's own lines of functions or classes, to be the last line of a cell: no page retypes what it explains.

    Each is given itself or by name, such as "lottery_utils.training.finetune:plain_steps".
    """
    from IPython.display import Markdown

    objects = [function_at(each) if isinstance(each, str) else each for each in functions]
    lines = "\n\n".join(map(inspect.getsource, objects))
    return Markdown(f"```python\n{lines}```")


def as_text(value: object) -> str:
    """How a value is written in prose."""
    if value is None or value != value:
        return "no number"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def as_percent(share: float) -> str:
    """A share as whole per cent, such as "92 %"."""
    return as_text(None) if share is None or share != share else f"{100 * share:.0f} %"


def listed(names: list[str], nothing: str = "none") -> str:
    """Names in a sentence: "CoLA, MRPC and RTE"."""
    if not names:
        return nothing
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def count(number: int, what: str) -> str:
    """Such as "1 seed" or "8 tasks"."""
    return f"{number} {what}{'s' if number != 1 else ''}"
