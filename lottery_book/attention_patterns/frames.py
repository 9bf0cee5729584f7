"""Attention patterns: what the stored attention cells say, as tables (paper, section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show import frames
from lottery_utils.show.frames import Reading

from .rules import KINDS, NETWORKS, PATTERNS, WEIGHTS

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

HEADS = ("all", "super", "super, cut")  # of the uncut model, super-survivors read off in it, and left alone
COUNTS = ("task", "title", "seed", "weights", "heads", "kind", "pattern", "count", "maps")
TESTS = ("like training", "harder")


def readings(study: Study) -> list[Reading]:
    """Every stored attention cell, in the preset's order; its arrays are those of `run_attention`."""
    return frames.readings(study, "attention")


def survivors(one: Reading) -> np.ndarray | None:
    """The heads that survive in every seed, bool (L, H); None after a degenerate search."""
    return None if one.degenerate else one.arrays["super_heads"].astype(bool)


def pattern_counts(found: list[Reading]) -> pd.DataFrame:
    """Maps of each pattern: columns `COUNTS`, one row a task, seed, weights, heads (`HEADS`), kind and pattern.

    `maps` is the number of maps in that condition; conditions without maps are left out.
    """
    rows = []
    for one in found:
        counts = one.arrays["counts"].astype(float)
        for w, weights in enumerate(WEIGHTS):
            for k, kind in enumerate(KINDS):
                whole, cut = counts[w, 0, k], counts[w, NETWORKS.index("cut"), k]
                sets = {"all": whole.sum(axis=(0, 1))}
                if (always := survivors(one)) is not None:
                    sets |= {"super": whole[always].sum(axis=0), "super, cut": cut.sum(axis=(0, 1))}
                for heads, total in sets.items():
                    same = (one.task, one.title, one.seed, weights, heads, kind)
                    rows += [(*same, p, n, total.sum()) for p, n in zip(PATTERNS, total) if total.sum()]
    return pd.DataFrame(rows, columns=list(COUNTS))


def pattern_shares(counts: pd.DataFrame) -> pd.DataFrame:
    """Share of each pattern, mean over seeds: columns weights, heads, kind, task, title, pattern, share."""
    keys = ["weights", "heads", "kind", "task", "title", "pattern"]
    return counts.assign(share=counts["count"] / counts["maps"]).groupby(keys, sort=False)["share"].mean().reset_index()


def confusions(found: list[Reading]) -> dict[tuple[str, str], np.ndarray]:
    """Confusion of the classifiers on held-out maps, (kind, "like training" or "harder") to (types, types).

    The cells of one study share their classifiers; those of the first are shown.
    """
    if not found:
        return {}
    array = found[0].arrays["confusion"]
    return {(kind, test): array[k, t] for k, kind in enumerate(KINDS) for t, test in enumerate(TESTS)}


def macro_f1(confusion: np.ndarray) -> float:
    """Mean F1 over the types of a confusion matrix, rows true; NaN for an empty one."""
    hit, total = np.diag(confusion).astype(float), confusion.sum(0) + confusion.sum(1)
    return float(np.mean(2 * hit / total)) if (total > 0).all() else float("nan")
