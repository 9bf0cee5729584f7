"""Paired differences in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from ..analysis.paired import Paired
from .tables import GAP, dressed

VERDICTS = {"shown": "above 0", "opposite": "below 0", "open": "not settled", "untestable": "one task only"}


def difference_table(found: Mapping[str, Paired], caption: str, name: str, places: int = 3) -> Styler:
    """The numbers of `forest.differences`: mean, interval over tasks, tasks above 0, and what follows."""
    rows = []
    for label, one in found.items():
        c = one.found
        several = np.isfinite(c.low)
        rows.append(
            {
                "difference": label,
                "mean": f"{c.mean:+.{places}f}",
                "95 % interval": f"{c.low:+.{places}f} to {c.high:+.{places}f}" if several else GAP,
                "tasks above 0": f"{c.wins} of {c.tasks}",
                "": VERDICTS[c.verdict],
            }
        )
    frame = pd.DataFrame(rows, columns=["difference", "mean", "95 % interval", "tasks above 0", ""])
    return dressed(frame, caption, name)


def difference_sentence(found: Mapping[str, Paired], label: str, places: int = 2) -> str:
    """One difference in words, such as "+0.10 (95 % interval over 8 tasks +0.02 to +0.18)"."""
    if label not in found:
        return "not measured"
    c = found[label].found
    text = f"{c.mean:+.{places}f}"
    if c.tasks < 2:
        return f"{text} (one task)"
    return f"{text} (95 % interval over {c.tasks} tasks {c.low:+.{places}f} to {c.high:+.{places}f})"
