"""How ways to rank stand beside the paper's way and beside chance at equal size, paired by task and seed; tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.methods import METHODS
from lottery_utils.show.effects import interval, p_value, signed
from lottery_utils.show.glue import as_percent
from lottery_utils.show.stats import Effect, corrected, effect
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import GAP, dressed

from .frames import FIELDS, breaks, compared

QUANTITIES = {  # what is compared, to whom it is compared with
    "lead": "paper",
    "target": "paper",
    "middle": "paper",
    "lead above random": "random",
}


@dataclass(frozen=True)
class Standing:
    """A way to rank in short, means over the tasks of `frames.compared` (seeds averaged within each).

    area: share of the lead kept, mean over all sizes but the full one; target, middle: sizes as in `frames.breaks`.
    effects, by the names of `QUANTITIES`: "lead", area minus that of the paper's way, "lead above random" minus that of
    a random order, both in points of the lead; "target" and "middle", points of size by which it breaks later, so at a
    smaller size, than the paper's way, which itself has none.
    """

    method: str
    name: str
    tasks: int
    area: float
    target: float
    middle: float
    effects: Mapping[str, Effect] = field(default_factory=dict)

    @property
    def is_paper(self) -> bool:
        """Whether it is the paper's way."""
        return self.name == paper_way(self.method)


def paper_way(method: str) -> str:
    """The paper's way to rank in "structured" or "magnitude" pruning."""
    return next(iter(METHODS[FIELDS[method]]))


def standings(frame: pd.DataFrame, threshold: float = 0.9) -> list[Standing]:
    """A `Standing` for each way to rank in `frame` (of `frames.curves`), in the registry's order.

    Holm's correction is over all differences of a kind of pruning: its ways, and `QUANTITIES`.
    """
    frame = compared(frame)
    keys = ["method", "name", "task", "seed"]
    lead = frame[frame["size"] < 1].groupby(keys)["lead"].mean()
    values = breaks(frame, threshold).set_index(keys)[["target", "middle"]].assign(lead=lead).sort_index()
    found = []
    for method, names in frame.groupby("method", sort=False)["name"].unique().items():
        effects = corrected(_differences(values.loc[method], list(names), paper_way(method)))
        for name in names:
            by_task = values.loc[(method, name)].groupby("task").mean()
            means = (float(by_task[column].mean()) for column in ("lead", "target", "middle"))
            of_way = {quantity: each for (way, quantity), each in effects.items() if way == name}
            found.append(Standing(method, name, len(by_task), *means, of_way))
    return found


def _differences(values: pd.DataFrame, names: list[str], paper: str) -> dict[tuple[str, str], Effect]:
    """By (name, quantity): each way minus the paper's, or minus random; what is compared with itself left out."""
    effects = {}
    for name in names:
        for quantity, other in QUANTITIES.items():
            other = paper if other == "paper" else other
            if name not in (other, paper) and other in names:
                column = quantity if quantity in values else "lead"
                difference = 100 * (values.loc[name, column] - values.loc[other, column])
                effects[name, quantity] = effect(difference if column == "lead" else -difference)  # smaller is later
    return effects


def norm_effects(with_norms: pd.DataFrame, without: pd.DataFrame) -> dict[str, Effect]:
    """By way to rank: lead kept with heads' scores divided by their layer's norm minus without, in points.

    Both are of `frames.curves`, of s-pruning under the same ways; means over all sizes but the full one, paired by task
    and seed, Holm's correction over the ways.
    """
    lead = [
        frame.query("method == 'structured' and size < 1").groupby(["name", "task", "seed"])["lead"].mean()
        for frame in (compared(with_norms), without)
    ]
    difference = (100 * (lead[0] - lead[1])).dropna()
    by_way = difference.groupby("name", sort=False)
    return corrected({name: effect(values.droplevel("name")) for name, values in by_way})


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
