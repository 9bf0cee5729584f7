"""Ways to rank at equal size: curves from their cells, what lacks, where each breaks, which tasks can be compared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.reading import Results
from lottery_utils.experiment.stage_table import CURVE
from lottery_utils.methods import METHODS
from lottery_utils.pruning.stopping import stop_rule
from lottery_utils.show.frames import title_of
from lottery_utils.show.stats import lead_kept
from lottery_utils.show.stored import under

FIELDS = {"structured": "score", "magnitude": "unstructured"}  # the preset field that names a method's way to rank
CURVES = ("task", "title", "seed", "method", "name", "size", "share", "score", "full", "majority", "lead")
BREAKS = ("task", "title", "seed", "method", "name", "target", "middle")
MARGIN = 0.05  # the least lead of a full model over the majority score of which shares are averaged


def by_method(study: Results) -> dict[tuple[str, str], Results]:
    """`study` under each way to rank, by (method, name): those of the registry, and the study's own, in one store."""
    found = {}
    for method, kind in FIELDS.items():
        if method in study.preset.methods:
            for name in dict.fromkeys((*METHODS[kind], getattr(study.preset, kind))):
                # the other kind's setting does not matter to these cells, and some settings exclude each other
                found[method, name] = under(study, {"importance": "exact", "importance_order": None, kind: name})
    return found


def curve_records(study: Results) -> list[tuple[str, str, Cell, dict, dict[str, np.ndarray]]]:
    """(method, name, cell, record, arrays) of every curve that is stored, degenerate ones too."""
    found = []
    for (method, name), one in by_method(study).items():
        for task in one.preset.tasks:
            for seed in one.preset.seeds:
                cell = Cell(task, seed, "curve", method, CURVE)
                record = one.record(cell)
                if record is not None:
                    found.append((method, name, cell, record, one.trajectory(cell)))
    return found


def curves(study: Results) -> pd.DataFrame:
    """All curves as columns `CURVES`, one row a task, seed, way to rank and size, the full model at size 1.

    share is the share of the prunable weights left, score the search's, on dev; lead as `stats.lead_kept` has it.
    Degenerate curves, of full models that do not beat the majority score, are left out.
    """
    frames = []
    for method, name, cell, record, t in curve_records(study):
        if record["degenerate"]:
            continue
        full, least = float(t["score"][0]), record["majority"]
        same = {"task": cell.task, "title": title_of(record), "seed": cell.seed}
        same |= {"method": method, "name": name, "full": full, "majority": least}
        parts = {"size": t["size"], "share": t["share"], "score": t["score"]}
        frames.append(pd.DataFrame({**same, **parts, "lead": lead_kept(t["score"], least, full)}))
    if not frames:
        return pd.DataFrame(columns=list(CURVES))
    return pd.concat(frames, ignore_index=True)[list(CURVES)]


def breaks(frame: pd.DataFrame, threshold: float = 0.9) -> pd.DataFrame:
    """Where each curve of `curves` breaks: columns `BREAKS`, one row a task, seed and way to rank.

    target: the largest size at which the score falls under the search's target, `threshold` of the full score (see
    `pruning.stopping.stop_rule` where that is no more than the majority score); middle: under the midpoint of the full
    and the majority score. 0 where it does not down to the smallest size. Between the two it breaks.
    """
    rows = []
    for key, own in frame.groupby(["task", "title", "seed", "method", "name"], sort=False):
        own = own.sort_values("size", ascending=False)
        full, least = own["full"].iloc[0], own["majority"].iloc[0]
        marks = (stop_rule(full, least, threshold).target, (full + least) / 2)
        falls = (own.loc[own["score"] < mark, "size"] for mark in marks)
        rows.append((*key, *(float(sizes.iloc[0]) if len(sizes) else 0.0 for sizes in falls)))
    return pd.DataFrame(rows, columns=list(BREAKS))


def compared(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of `frame` of tasks that enter averages: all else is shown, and counted in none.

    A task needs every seed under every way to rank of its method, and in each a full model at least `MARGIN` above the
    majority score: where the lead itself is a handful of examples, a share of it means nothing.
    """
    kept = []
    for _, own in frame.groupby("method", sort=False):
        wanted = own["name"].nunique() * own["seed"].nunique()
        there = own.drop_duplicates(["task", "seed", "name"]).groupby("task", sort=False)
        lead = there.apply(lambda rows: (rows["full"] - rows["majority"]).min(), include_groups=False)
        kept.append(own[own["task"].isin(there.size().index[(there.size() == wanted) & (lead >= MARGIN)])])
    return pd.concat(kept, ignore_index=True) if kept else frame
