"""The paper's claims, read from claims.csv: what is measured, the region that supports each, the figure that shows it.

Margins are in lead kept. A constant answer has about half of the full score, so a tenth of the lead ("as well as",
"reaches", "does not help") is 5 points of the score, and four fifths of it ("nearly the full score") are about the 90 %
of the score that the paper asks of good subnetworks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from .measures import Measure, measure_of

EDGES = {"low": -np.inf, "high": np.inf}  # of a region that is open there
ASKED = "Not in the paper"  # the group of the questions that are this companion's


@dataclass(frozen=True)
class Claim:
    """A statement, the measure that judges it and the region of its mean, from `low` to `high`, that supports it.

    `group` is the heading it stands under; s and m in `text` are s-pruning and m-pruning. A region without bounds is
    that of a claim which holds by construction and is not tested. `is_lead` says whether its unit is points of lead
    kept, rather than a plain number; `figure` names chapter and label: "study#fig-headline"; `remark` says how the
    claim was read, or what limits its measure, "" where that needs no word. `cited_by` are the chapters whose answer
    box shows it, by number or name.
    """

    key: str
    group: str
    text: str
    measure: Measure
    low: float
    high: float
    is_lead: bool
    figure: str
    remark: str
    cited_by: tuple[str, ...]

    @property
    def by_construction(self) -> bool:
        """Whether there is nothing to test."""
        return np.isinf(self.low) and np.isinf(self.high)

    @property
    def unit(self) -> tuple[int, str, int]:
        """What a number is shown times, in what unit and with how many decimals."""
        return (100, "points", 0) if self.is_lead else (1, "", 2)


def _read(path: Path) -> tuple[Claim, ...]:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table["measure"] = table["measure"].map(measure_of)
    table["low"], table["high"] = (pd.to_numeric(table[end]).fillna(edge) for end, edge in EDGES.items())
    table["points"], table["cited_by"] = table["points"] == "yes", table["cited_by"].str.split()
    return tuple(Claim(**row) for row in table.rename(columns={"points": "is_lead"}).to_dict("records"))


CLAIMS = _read(Path(__file__).with_name("claims.csv"))
GROUPS = {name: tuple(claims) for name, claims in groupby(CLAIMS, lambda claim: claim.group)}
CITED = {  # the claims that each chapter's answer box shows
    chapter: tuple(claim.key for claim in CLAIMS if chapter in claim.cited_by)
    for chapter in sorted({chapter for claim in CLAIMS for chapter in claim.cited_by})
}
