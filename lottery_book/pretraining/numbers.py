"""The numbers of the chapter on pre-training without language, short enough for a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell
from lottery_utils.show.glue import as_percent
from lottery_utils.show.sentences import earlier_clause

from .frames import LEFT_OUT, STAGES, parted

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study


def reach(found: pd.DataFrame, corpus: str) -> str:
    """How often the full model of a corpus beats the majority score; `found` as from `frames.coverage`."""
    rows = found[(found["corpus"] == corpus) & ~found["task"].isin(LEFT_OUT)]
    return f"{rows['stored'].sum() - rows['degenerate'].sum()} of {rows['stored'].sum()}"


def guessed(logs: Mapping[str, dict], corpus: str) -> str:
    """Which share of the masked words of held-out texts a corpus' models guess, mean over its runs."""
    shares = [log["held_out"]["masked_words"] for name, log in logs.items() if parted(name)[0] == corpus]
    return as_percent(np.mean(shares) if shares else None)


def provenance(studies: Mapping[str, Study]) -> str:
    """What the records of all models took, and of which version they are."""
    seconds, earlier = 0.0, []
    for study in studies.values():
        for cell in study.cells([*STAGES, "control"]):
            record = None if cell.stage == "baseline" else study.record(cell)
            if record is not None:
                seconds += record["seconds"]
                earlier.append(study.is_earlier(Cell(**record["cell"])))
    return "; ".join([f"{seconds / 60:.0f} minutes on one thread", *earlier_clause(sum(earlier), len(earlier))])
