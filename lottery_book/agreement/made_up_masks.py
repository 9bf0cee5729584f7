"""Four made-up sets of masks, and what each statistic of agreement sees in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.show.glue import as_percent
from lottery_utils.show.tables import GAP, dressed

from .coefficients import statistics

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

COLUMNS = {
    "cochran_p": "Cochran's Q, p",
    "share_pairs_not_rejected": "pairs not rejected",
    "fleiss_kappa": "Fleiss' κ",
    "mean_pair_jaccard": "Jaccard",
    "chance_pair_jaccard": "Jaccard by chance",
    "permutation_p": "permutation p",
}


def examples_table() -> Styler:
    """The same statistics for masks made up to be identical, disjoint, random and nested: what each can see."""
    return dressed(_examples_shown(examples()), "Five made-up masks of 144 heads, four times.", "agreement-examples")


def examples(seeds: int = 5, heads: int = 144, permutations: int = 1999) -> pd.DataFrame:
    """Statistics of four sets of made-up masks, by name: columns name, text and those of `agreement.statistics`.

    identical: the same two thirds of the heads in each seed; disjoint: each seed its own fifth; random: two thirds
    drawn anew; nested: each seed keeps a growing part of one order.
    """
    rng = numpy_generator_for("agreement", "examples")
    place = np.arange(heads)
    most = 2 * heads // 3
    growing = (np.linspace(0.4, 0.95, seeds) * heads).astype(int)
    made = {
        "identical": ("the same heads, the same number", np.tile(place < most, (seeds, 1))),
        "disjoint": ("no head in common, the same number", place // (heads // seeds) == np.arange(seeds)[:, None]),
        "random": ("drawn at random, the same number", rng.permuted(np.tile(place < most, (seeds, 1)), axis=1)),
        "nested": ("each inside the next, different numbers", place < growing[:, None]),
    }
    rows = [{"name": n, "text": t, **statistics(v, rng, permutations)} for n, (t, v) in made.items()]
    return pd.DataFrame(rows)


def _examples_shown(found: pd.DataFrame) -> pd.DataFrame:
    shown = pd.DataFrame({"masks": found["name"], "": found["text"]})
    return shown.assign(**_statistics_shown(found))


def _statistics_shown(table: pd.DataFrame) -> dict[str, list[str]]:
    form = {"share_pairs_not_rejected": as_share, "cochran_p": p_text, "permutation_p": p_text}
    return {label: [form.get(name, as_number)(value) for value in table[name]] for name, label in COLUMNS.items()}


def as_number(value: float) -> str:
    """Two decimals; a dash where it is undefined."""
    return GAP if np.isnan(value) else f"{value:.2f}"


def as_share(value: float) -> str:
    """Whole per cent; a dash where it is undefined."""
    return GAP if np.isnan(value) else as_percent(value)


def p_text(p: float) -> str:
    """A p as short text; a dash where it is undefined."""
    if np.isnan(p):
        return GAP
    return f"{p:.2f}" if p >= 0.01 else "< 0.001" if p < 0.001 else f"{p:.3f}"
