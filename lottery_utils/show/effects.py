"""Effects as a table and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .stats import Effect
from .tables import GAP, dressed

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler


def effect_table(
    effects: Mapping[str | tuple[str, ...], Effect], caption: str, name: str, rows: tuple[str, ...] = ("difference",)
) -> Styler:
    """A row an effect: mean, interval, Holm's p, how many tasks it rests on, and the verdict.

    Keys are a row's labels, `rows` the heads of their columns.
    """
    lines = []
    for key, effect in effects.items():
        labels = dict(zip(rows, (key,) if isinstance(key, str) else key, strict=True))
        numbers = {
            "points": signed(effect.mean),
            "95 % interval": interval(effect.low, effect.high),
            "p (Holm)": p_value(effect.corrected),
            "tasks above 0": f"{effect.wins} of {effect.tasks}" if effect.tasks else GAP,
            "verdict": effect.word,
        }
        lines.append(labels | numbers)
    return dressed(pd.DataFrame(lines), caption, name)


def told(effect: Effect, unit: str = "points", places: int = 1, pairs: bool = True) -> str:
    """An effect in words: "+1.2 points (95 % interval −0.3 to +2.7; 8 tasks, 24 pairs of task and seed)"."""
    if not effect.tasks:
        return "not run"
    mean = f"{signed(effect.mean, places)} {unit}".rstrip()
    if np.isnan(effect.low):
        return f"{mean} on {effect.tasks} task{'s' if effect.tasks > 1 else ''}, too few for an interval"
    where = f"{effect.tasks} tasks" + (f", {effect.pairs} pairs of task and seed" if pairs and effect.pairs else "")
    return f"{mean} (95 % interval {interval(effect.low, effect.high, places)}; {where})"


def difference(effects: Mapping[str, Effect], label: str, places: int = 2) -> str:
    """One of several differences in words, such as "+0.10 (95 % interval +0.02 to +0.18; 8 tasks)"."""
    return told(effects[label], "", places, pairs=False) if label in effects else "not measured"


def signed(value: float, places: int = 1) -> str:
    """A number with its sign, a true minus; a gap where there is none."""
    return GAP if np.isnan(value) else f"{value:+.{places}f}".replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, places: int = 1) -> str:
    """An interval; a gap where there is none."""
    return GAP if np.isnan(low) else f"{signed(low, places)} to {signed(high, places)}"


def p_value(p: float) -> str:
    """A p as shown, never as zero; a gap where there is none."""
    return GAP if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
