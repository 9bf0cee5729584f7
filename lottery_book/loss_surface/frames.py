"""Loss surfaces: what the stored landscape and surface cells say, as tables.

Losses are in shares of the loss of the best constant answer on the same examples, so that tasks can be put together:
1 is as good as knowing nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lottery_utils.show.frames import Reading

from .names import NETWORKS, POINTS, SIZES, SURFACES

SAME = ["task", "title", "seed", "method"]
LINES = (*SAME, "network", "direction", "size", "loss")
SHARPNESS = (*SAME, "network", "sharpness", "loss")
PATHS = (*SAME, "pair", "point", "loss")
BARRIERS = (*SAME, "pair", "barrier")


def lines(found: list[Reading]) -> pd.DataFrame:
    """The loss along each direction: columns `LINES`, one row a network, direction and size."""
    rows = []
    for one in found:
        for name in NETWORKS:
            for k, losses in enumerate(_shares(one, f"line.{name}")):
                rows += [(*one.same.values(), name, k, size, loss) for size, loss in zip(SIZES, losses)]
    return pd.DataFrame(rows, columns=list(LINES))


def sharpness(found: list[Reading], size: float) -> pd.DataFrame:
    """Mean rise of the loss under steps of `size`, both ways along every direction: columns `SHARPNESS`.

    A step and its opposite cancel the slope, so what is left is how the loss bends, also where it has no minimum.
    `loss` is the loss before any step.
    """
    there = np.isclose(np.abs(SIZES), size)
    if there.sum() != 2:
        raise ValueError(f"no steps of size {size}; there are {sorted(s for s in SIZES if s > 0)}")
    middle, rows = SIZES.index(0.0), []
    for one in found:
        for name in NETWORKS:
            losses = _shares(one, f"line.{name}")
            if len(losses):
                start = losses[0, middle]
                rows.append((*one.same.values(), name, losses[:, there].mean() - start, start))
    return pd.DataFrame(rows, columns=list(SHARPNESS))


def paths(found: list[Reading]) -> pd.DataFrame:
    """The loss on the straight paths: columns `PATHS`; `pair` is such as "good-bad" or "next seed: good"."""
    rows = []
    for one in found:
        for key in sorted(one.arrays):
            kind, _, pair = key.partition(".")
            if kind in ("path", "next"):
                name = pair if kind == "path" else f"next seed: {pair}"
                rows += [(*one.same.values(), name, t, loss) for t, loss in zip(POINTS, _shares(one, key)[0])]
    return pd.DataFrame(rows, columns=list(PATHS))


def barriers(table: pd.DataFrame) -> pd.DataFrame:
    """How far each path rises above the line between its ends, at most: columns `BARRIERS`; `table` from `paths`."""
    rows = []
    for key, path in table.groupby([*SAME, "pair"], sort=False):
        t, loss = path["point"].to_numpy(), path["loss"].to_numpy()
        straight = loss[0] + (loss[-1] - loss[0]) * t
        rows.append((*key, float((loss - straight).max())))
    return pd.DataFrame(rows, columns=list(BARRIERS))


def with_every(rows: pd.DataFrame, column: str = "network") -> pd.DataFrame:
    """The rows of tasks that have every value of `column`, so that means are over the same tasks; all if none has."""
    values = set(rows[column])
    tasks = [task for task, own in rows.groupby("task") if set(own[column]) == values]
    return rows[rows["task"].isin(tasks)] if tasks else rows


def planes(one: Reading) -> dict[str, np.ndarray]:
    """The surfaces of a surface cell by network, (G, G); those that are not there are left out."""
    found = {name: _shares(one, f"plane.{name}") for name in SURFACES}
    return {name: values for name, values in found.items() if len(values)}


def _shares(one: Reading, key: str) -> np.ndarray:
    """An array of losses (rows, columns) as shares of the loss of knowing nothing; no rows where it is not there."""
    nothing = float(one.arrays["nothing"][0])
    if key not in one.arrays or not nothing:
        return np.empty((0, 0))
    return np.atleast_2d(one.arrays[key]) / nothing
