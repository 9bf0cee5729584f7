"""Four made-up sets of masks, and what each statistic of agreement sees in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.show.effects import p_value
from lottery_utils.show.sentences import as_percent
from lottery_utils.show.tables import dressed

from .coefficients import statistics

COLUMNS = {
    "name": ("masks", str),
    "text": ("", str),
    "cochran_p": ("Cochran's Q, p", p_value),
    "share_pairs_not_rejected": ("pairs not rejected", as_percent),
    "fleiss_kappa": ("Fleiss' κ", "{:.2f}"),
    "mean_pair_jaccard": ("Jaccard", "{:.2f}"),
    "chance_pair_jaccard": ("Jaccard by chance", "{:.2f}"),
    "permutation_p": ("permutation p", p_value),
}


def examples_table() -> Styler:
    """The same statistics for masks made up to be identical, disjoint, random and nested: what each can see."""
    frame = examples()[list(COLUMNS)].rename(columns={name: head for name, (head, _) in COLUMNS.items()})
    caption = "Five made-up masks of 144 heads, four times."
    return dressed(frame, caption, "agreement-examples", formats=dict(COLUMNS.values()))


def examples(seeds: int = 5, heads: int = 144, permutations: int = 1999) -> pd.DataFrame:
    """Statistics of four sets of made-up masks: columns name, text and `coefficients.STATISTICS`.

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
