"""Do heads with heterogeneous attention survive? A correlation, with an interval that knows of repeated heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.study import Study
from lottery_utils.show.effects import interval, signed
from lottery_utils.show.frames import final_step, joined, readings
from lottery_utils.show.tables import GAP, dressed

from .. import published
from ..sources import NO_RECORD
from .rules import KINDS, PATTERNS

HEAD_SHARES = ("task", "title", "seed", "kind", "layer", "head", "maps", "share", "good", "super")
TRIES = 2000
CHOICES = {  # label: what survives, the unit, whether heads are compared within their layer
    "good, by head": ("good", "head", False),
    "good, by head of a layer": ("good", "head", True),
    "super-survivor, by head": ("super", "head", False),
    "super-survivor, by map": ("super", "map", False),
}


class Correlation(NamedTuple):
    """Pearson's r with its clustered 95 % interval."""

    r: float = np.nan
    low: float = np.nan
    high: float = np.nan
    observations: int = 0


def head_shares(study: Study | None) -> pd.DataFrame:
    """Share of a head's maps that are heterogeneous, and whether it survives: columns `HEAD_SHARES`.

    Maps of the uncut fine-tuned models. `good`: survives in that seed's good subnetwork; `super`: in every seed's.
    Tasks after a degenerate search are left out.
    """
    frames = []
    for reading in readings(study, "attention") if study else ():
        course = study.trajectory(Cell(reading.task, reading.seed, "search", "structured", "good"))
        if reading.degenerate or course is None:
            continue
        counts = reading.arrays["counts"][0, 0]
        maps = counts.sum(axis=-1)
        kind, layer, head = np.indices(maps.shape)
        survives = {"good": course["heads"][final_step(course)], "super": reading.arrays["super_heads"]}
        columns = {"kind": np.array(KINDS)[kind], "layer": layer, "head": head, "maps": maps}
        columns["share"] = counts[..., PATTERNS.index("heterogeneous")] / np.where(maps, maps, np.nan)
        columns |= {name: np.broadcast_to(heads.astype(bool), maps.shape) for name, heads in survives.items()}
        frame = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
        frames.append(frame.assign(task=reading.task, title=reading.title, seed=reading.seed).dropna())
    return joined(frames, HEAD_SHARES)


def correlate(
    frame: pd.DataFrame, survival: str, unit: str = "head", within: bool = False, tries: int = TRIES
) -> Correlation:
    """Correlate a head's share of a pattern with its survival; `frame` is `head_shares` of one kind.

    `unit` "head": one observation a task, seed and head. "map": one a map, which is of the pattern or not, as the
    authors counted. `within` takes the mean of each task, seed and layer off both first, so that what differs is
    heads of one layer. The same head of the same pre-trained model stands in every task and seed, and one
    fine-tuned model gives all its heads, so the interval draws tasks, their seeds, and heads anew, independently
    (pigeonhole bootstrap, Owen 2007), which errs on the wide side; with one task, seeds and heads. NaN where
    either side does not vary.
    """
    if frame.empty:
        return Correlation()
    frame = frame.assign(kept=frame[survival].astype(float))
    if within:
        frame[["share", "kept"]] -= frame.groupby(["task", "seed", "layer"])[["share", "kept"]].transform("mean")
    share, kept, maps = (_cube(frame, column) for column in ("share", "kept", "maps"))
    weight = np.nan_to_num(maps if unit == "map" else maps * 0 + 1)
    spread = share * (1 - share) if unit == "map" else 0 * share  # a map is 0 or 1: it varies within its head
    values = [np.nan_to_num(each) for each in (share, kept, spread)]
    r, rng = _pearson(*values, weight), np.random.default_rng(0)
    drawn = [_pearson(*values, weight * _drawn(share.shape, rng)) for _ in range(tries)]
    drawn = [each for each in drawn if np.isfinite(each)]
    low, high = np.quantile(drawn, (0.025, 0.975)) if np.isfinite(r) and drawn else (np.nan, np.nan)
    return Correlation(r, float(low), float(high), int(weight.sum()))


def r_by_task(frame: pd.DataFrame, survival: str) -> pd.Series:
    """r of each task, heads of all its seeds; `frame` is `head_shares` of one kind."""
    tasks = frame.groupby("task", sort=False)
    return pd.Series({task: correlate(rows, survival, tries=0).r for task, rows in tasks}, dtype=float)


def _cube(frame: pd.DataFrame, column: str) -> np.ndarray:
    """(tasks, seeds, heads of the model) of a column; NaN where a task lacks a seed."""
    wide = frame.pivot(index=["task", "seed"], columns=["layer", "head"], values=column)
    whole = pd.MultiIndex.from_product([frame["task"].unique(), frame["seed"].unique()])
    return wide.reindex(whole).to_numpy(float).reshape(*map(len, whole.levels), -1)


def _drawn(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """How often each observation is drawn: tasks, seeds within each task, and heads, each with replacement."""
    tasks, seeds, heads = shape
    of_tasks = rng.multinomial(tasks, np.full(tasks, 1 / tasks))
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=tasks)
    of_heads = rng.multinomial(heads, np.full(heads, 1 / heads))
    return (of_tasks[:, None] * of_seeds)[:, :, None] * of_heads


def _pearson(x: np.ndarray, y: np.ndarray, spread: np.ndarray, weight: np.ndarray) -> float:
    """Weighted correlation; `spread` is variance of x within an observation, which only dilutes."""
    total = weight.sum()
    if not total:
        return float("nan")
    share = weight / total
    dx, dy = x - (share * x).sum(), y - (share * y).sum()
    vx, vy = (share * (dx**2 + spread)).sum(), (share * dy**2).sum()
    return float((share * dx * dy).sum() / np.sqrt(vx * vy)) if vx > 1e-15 and vy > 1e-15 else float("nan")


def correlations(shares: pd.DataFrame) -> dict[str, Correlation]:
    """Correlations for both kinds of attention and all `CHOICES`, by label; `shares` as from `head_shares`."""
    return {
        f"{kind}: {label}": correlate(shares[shares["kind"] == kind], *choice)
        for kind in KINDS
        for label, choice in CHOICES.items()
    }


def published_correlations() -> dict[str, float]:
    """The paper's r by the label of our row that is counted as theirs was."""
    numbers = published.text_numbers()
    return {f"{kind}: super-survivor, by map": numbers[f"heterogeneous_survival_r_{kind}"] for kind in KINDS}


def correlation_table(by_label: Mapping[str, Correlation], printed: Mapping[str, float]) -> Styler:
    """r with its clustered interval and the number of observations, and the published r where one is comparable."""
    rows = [
        {
            "attention: survival, unit": label,
            "r": signed(each.r, 2),
            "95 % interval": interval(each.low, each.high, 2),
            "observations": f"{each.observations:,}" if each.observations else GAP,
            "published r": signed(printed.get(label, np.nan), 3),
        }
        for label, each in by_label.items()
    ]
    caption = "Heterogeneous attention and survival in this run, Pearson's r. The last column is the paper's."
    return dressed(pd.DataFrame(rows), caption, "pattern-survival")


def told(correlation: Correlation) -> str:
    """r with its interval: "−0.21 (95 % interval −0.35 to −0.07)"."""
    if np.isnan(correlation.r):
        return NO_RECORD
    limits = interval(correlation.low, correlation.high, 2)
    return signed(correlation.r, 2) + ("" if limits == GAP else f" (95 % interval {limits})")
