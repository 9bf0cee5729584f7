"""How ways to rank stand beside the paper's way and beside chance at equal size: paired by task and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from lottery_utils.methods import METHODS
from lottery_utils.show.stats import Effect, corrected, effect

from .frames import FIELDS, breaks, compared

QUANTITIES = {  # what is compared, to whom it is compared with
    "lead": "paper",
    "target": "paper",
    "middle": "paper",
    "lead above random": "random",
}


@dataclass(frozen=True)
class Standing:
    """A way to rank in short, means over the tasks of `methods.compared` (seeds averaged within each).

    area: share of the lead kept, mean over all sizes but the full one; target, middle: sizes as in `methods.breaks`.
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
    """A `Standing` for each way to rank in `frame` (of `methods.curves`), in the registry's order.

    Holm's correction is over all differences of a kind of pruning: its ways, and `QUANTITIES`.
    """
    frame = compared(frame)
    keys = ["method", "name", "task", "seed"]
    lead = frame[frame["size"] < 1].groupby(keys)["lead"].mean()
    values = breaks(frame, threshold).set_index(keys)[["target", "middle"]].assign(lead=lead).sort_index()
    ways = list(dict.fromkeys(zip(frame["method"], frame["name"])))
    effects = {}
    for method, name in ways:
        for quantity, other in QUANTITIES.items():
            other = paper_way(method) if other == "paper" else other
            if name in (other, paper_way(method)) or (method, other) not in ways:
                continue
            column = quantity if quantity in values else "lead"
            difference = 100 * (values.loc[(method, name), column] - values.loc[(method, other), column])
            difference = difference if column == "lead" else -difference  # a smaller size is later
            effects[method, name, quantity] = effect(difference)
    effects = {
        key: one
        for method in dict.fromkeys(frame["method"])
        for key, one in corrected({key: one for key, one in effects.items() if key[0] == method}).items()
    }
    found = []
    for method, name in ways:
        by_task = values.loc[(method, name)].groupby("task").mean()
        own = {q: effects[method, name, q] for q in QUANTITIES if (method, name, q) in effects}
        means = (float(by_task[column].mean()) for column in ("lead", "target", "middle"))
        found.append(Standing(method, name, len(by_task), *means, own))
    return found
