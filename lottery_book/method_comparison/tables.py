"""Tables of the chapter on ways to rank: what they are, how they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lottery_utils.methods import METHODS
from lottery_utils.show.effects import interval, p_value, signed
from lottery_utils.show.glue import as_percent
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import GAP, dressed

from .frames import FIELDS
from .standings import Standing

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler


def methods_table() -> Styler:
    """The registry: pruning, name, what it ranks by, and how to ask for it."""
    rows = [
        {"pruning": METHOD_NAMES[method], "name": name, "ranks by": known.about, "asked for by": f"{kind}={name}"}
        for method, kind in FIELDS.items()
        for name, known in METHODS[kind].items()
    ]
    return dressed(pd.DataFrame(rows), "Ways to rank; the first of each kind is the paper's.", "methods", wrapped=True)


def standings_table(found: list[Standing], name: str = "standings") -> Styler:
    """How the ways to rank stand: lead kept over all sizes, the difference from the paper's way, where they break."""
    rows = []
    for one in found:
        lead = one.effects.get("lead", Effect())
        rows.append(
            {
                "pruning": METHOD_NAMES[one.method],
                "ranks by": one.name,
                "lead kept": as_percent(one.area),
                "minus the paper's": signed(lead.mean),
                "95 % interval": interval(lead.low, lead.high),
                "p (Holm)": p_value(lead.corrected),
                "tasks ahead": f"{lead.wins} of {lead.tasks}" if lead.tasks else GAP,
                "under 90 % at": _size(one.target),
                "under half of the lead at": _size(one.middle),
            }
        )
    caption = (
        "Lead kept, mean over tasks and the sizes from 95 to 5 %; its difference from the paper's way in points, "
        "paired by task and seed; and the sizes at which the score falls under nine tenths of the full score and under "
        "half of the lead."
    )
    return dressed(pd.DataFrame(rows), caption, name)


def _size(size: float) -> str:
    return "not down to 5 %" if size == 0 else as_percent(size)
