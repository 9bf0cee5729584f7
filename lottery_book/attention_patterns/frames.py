"""Attention patterns: what the stored attention cells say, as tables (paper, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.frames import title_of

from .names import KINDS, NETWORKS, PATTERNS, WEIGHTS

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

HEADS = ("all", "super", "super, cut")  # of the uncut model, super-survivors read off in it, and left alone
COUNTS = ("task", "title", "seed", "weights", "heads", "kind", "pattern", "count", "maps")
TESTS = ("like training", "harder")


@dataclass(frozen=True)
class Reading:
    """What one attention cell holds: its arrays (see `run_attention`), and the super-survivors (L, H) or None."""

    task: str
    title: str
    seed: int
    arrays: dict[str, np.ndarray]
    survivors: np.ndarray | None


def readings(study: Study) -> list[Reading]:
    """Every stored attention cell, in the preset's order; those after a degenerate search have no survivors."""
    found = []
    for cell in (c for c in study.cells(["attention"]) if c.stage == "attention"):
        record, arrays = study.record(cell), study.trajectory(cell)
        if record is None or arrays is None:
            continue
        survivors = None if record["degenerate"] else arrays["super_heads"].astype(bool)
        found.append(Reading(cell.task, title_of(record), cell.seed, arrays, survivors))
    return found


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
                if one.survivors is not None:
                    sets |= {"super": whole[one.survivors].sum(axis=0), "super, cut": cut.sum(axis=(0, 1))}
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
