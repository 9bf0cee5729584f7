"""Do heads with heterogeneous attention survive? A correlation, with an interval that knows of repeated heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell
from lottery_utils.show.frames import Reading, final_step

from .frames import survivors
from .rules import KINDS, PATTERNS

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

HEAD_SHARES = ("task", "title", "seed", "layer", "head", "kind", "maps", "share", "good", "super")
TRIES = 2000


def head_shares(study: Study, found: list[Reading], pattern: str = "heterogeneous") -> pd.DataFrame:
    """Share of a head's maps that are of `pattern`, and whether it survives: columns `HEAD_SHARES`.

    Maps of the uncut fine-tuned models. `good`: survives in that seed's good subnetwork; `super`: in every seed's.
    Tasks after a degenerate search are left out.
    """
    frames, place = [], PATTERNS.index(pattern)
    for one in found:
        course = study.trajectory(Cell(one.task, one.seed, "search", "structured", "good"))
        always = survivors(one)
        if always is None or course is None:
            continue
        good = course["heads"][final_step(course)].astype(bool)
        layer, head = np.indices(good.shape)
        for k, kind in enumerate(KINDS):
            counts = one.arrays["counts"][0, 0, k]
            maps = counts.sum(axis=-1)
            if not maps.all():
                continue  # no example was long enough
            same = {"task": one.task, "title": one.title, "seed": one.seed, "kind": kind}
            place_of = {"layer": layer.ravel(), "head": head.ravel(), "maps": maps.ravel()}
            values = {"good": good.ravel(), "super": always.ravel()}
            share = (counts[..., place] / maps).ravel()
            frames.append(pd.DataFrame({**same, **place_of, "share": share, **values}))
    columns = list(HEAD_SHARES)
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


@dataclass(frozen=True)
class Correlation:
    """Pearson's r with two 95 % intervals: clustered, and the one that takes all observations for independent."""

    r: float
    low: float
    high: float
    naive_low: float
    naive_high: float
    observations: int


def correlate(
    frame: pd.DataFrame, survival: str, unit: str = "head", within: bool = False, seed: int = 0, tries: int = TRIES
) -> Correlation:
    """Correlate a head's share of a pattern with its survival; `frame` is `head_shares` of one kind.

    `unit` "head": one observation a task, seed and head. "map": one a map, which is of the pattern or not, as the
    authors counted. `within` takes the mean of each task, seed and layer off both first, so that what differs is
    heads of one layer. The same head of the same pre-trained model stands in every task and seed, and one
    fine-tuned model gives all its heads, so the interval draws tasks, their seeds, and heads anew, independently
    (pigeonhole bootstrap, Owen 2007), which errs on the wide side; with one task, seeds and heads. NaN where
    either side does not vary.
    """
    nothing = Correlation(np.nan, np.nan, np.nan, np.nan, np.nan, 0)
    if frame.empty:
        return nothing
    cube, kept, maps = (_cube(frame, column) for column in ("share", survival, "maps"))
    if unit == "map":
        spread, weight = cube * (1 - cube), maps  # a map is 0 or 1: its variance beside that of the shares
    else:
        spread, weight = np.zeros_like(cube), (~np.isnan(cube)).astype(float)
    if within:
        layers = frame.groupby("layer", sort=True)["head"].nunique().tolist()
        cube, kept = _centred(cube, layers), _centred(kept, layers)
    there = ~np.isnan(cube)
    values = [np.nan_to_num(v) for v in (cube, kept, spread, np.where(there, weight, 0))]
    rng = np.random.default_rng(seed)
    r = _pearson(*values)
    drawn = [_pearson(*values[:3], values[3] * _drawn(cube.shape, rng)) for _ in range(tries)]
    drawn = [value for value in drawn if np.isfinite(value)]
    low, high = np.quantile(drawn, (0.025, 0.975)) if np.isfinite(r) and drawn else (np.nan, np.nan)
    count = int(values[3].sum())
    half = 1.959964 / np.sqrt(count - 3) if count > 3 else np.nan
    naive = np.tanh(np.arctanh(r) + np.array([-half, half])) if abs(r) < 1 else (np.nan, np.nan)
    return Correlation(r, float(low), float(high), float(naive[0]), float(naive[1]), count)


def by_task(frame: pd.DataFrame, survival: str = "good") -> pd.DataFrame:
    """r of each task, heads of all its seeds: columns task, title, r; `frame` is `head_shares` of one kind."""
    rows = [
        {"task": task, "title": rows["title"].iloc[0], "r": correlate(rows, survival, tries=0).r}
        for task, rows in frame.groupby("task", sort=False)
    ]
    return pd.DataFrame(rows, columns=["task", "title", "r"])


def _cube(frame: pd.DataFrame, column: str) -> np.ndarray:
    """(tasks, seeds, heads of the model) of a column; NaN where a task lacks a seed."""
    wide = frame.assign(value=frame[column].astype(float)).pivot_table(
        index=["task", "seed"], columns=["layer", "head"], values="value", sort=True
    )
    whole = pd.MultiIndex.from_product([level.unique() for level in (frame["task"], frame["seed"])])
    values = wide.reindex(whole).to_numpy()
    return values.reshape(frame["task"].nunique(), frame["seed"].nunique(), -1)


def _centred(cube: np.ndarray, layers: list[int]) -> np.ndarray:
    """`cube` less the mean of each task, seed and layer; heads are in the order of layers."""
    parts = np.split(cube, np.cumsum(layers)[:-1], axis=2)
    return np.concatenate([part - part.mean(axis=2, keepdims=True) for part in parts], axis=2)


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
