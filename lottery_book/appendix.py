"""Chapter 10: every score of a source as a table (paper, appendix), and those of single seeds to download."""

from __future__ import annotations

import base64
from html import escape

import pandas as pd
from IPython.display import HTML
from pandas.io.formats.style import Styler

from lottery_utils.show.frames import mean_scores
from lottery_utils.show.leads import Condition
from lottery_utils.show.style import COLOURS, METHOD_NAMES, NAMES
from lottery_utils.show.tables import GAP, dressed
from lottery_utils.tasks.glue import TASKS

from .sources import Source

ENDS = {"full": 1.0, "majority": 0.0}  # lead kept by definition


def score_table(source: Source, name: str) -> Styler:
    """Mean dev score over seeds: one row per condition, one column per task; at the end the mean lead kept.

    The lead kept is of good, random and bad subnetworks, over the tasks where every one of them is there, so that rows
    of a method are means over the same tasks (see `show.leads`).
    """
    if source.results.empty:
        return dressed(pd.DataFrame(columns=["pruning", "model", "", "lead kept"]), _caption(source), name)
    scores = mean_scores(source.results).T
    scores = scores[sorted(scores, key=lambda task: list(TASKS).index(task) if task in TASKS else len(TASKS))]
    rows = []
    for condition, of_tasks in sorted(scores.iterrows(), key=lambda row: _place(row[0])):
        shown = {source.title_of(task).removesuffix("-like"): _score(value) for task, value in of_tasks.items()}
        rows.append({**_named(condition), **shown, "lead kept": _lead(source, condition)})
    return dressed(pd.DataFrame(rows), _caption(source), name)


def csv_link(frame: pd.DataFrame, filename: str) -> HTML:
    """A link that holds `frame` and saves it as `filename`, so that it works without network and in a copied page.

    CSV with a header; numbers with all their digits, gaps empty.
    """
    data = base64.b64encode(frame.to_csv(index=False, lineterminator="\n").encode()).decode()
    name, columns = escape(filename), escape(", ".join(map(str, frame.columns)))
    link = f'<a download="{name}" href="data:text/csv;base64,{data}">{name}</a>'
    return HTML(f'<p class="download">{link}: {len(frame):,} rows; columns {columns}</p>')


def _caption(source: Source) -> str:
    tasks = ", tasks like those named" if source.is_demo else ""
    text = f"{source.name}{tasks}: dev scores, means over seeds. Last column: mean lead kept, in per cent, over the "
    return text + "tasks where every good, random and bad subnetwork of a method is there."


def _lead(source: Source, condition: Condition) -> str:
    effect = source.effects().get(condition)
    share = ENDS.get(condition[1]) if effect is None else effect.mean
    return GAP if share is None else f"{100 * share:.0f}"


def _named(condition: Condition) -> dict[str, str]:
    method, subnetwork, treatment = condition
    treated = "" if treatment in ("full", "baseline") else treatment
    return {"pruning": METHOD_NAMES.get(method, ""), "model": NAMES[subnetwork], "": treated}


def _place(condition: Condition) -> tuple[int, int, str]:
    method, subnetwork, treatment = condition
    return ("", *METHOD_NAMES).index(method), place_of(subnetwork), treatment


def place_of(subnetwork: str) -> int:
    """The order in the table: baselines, then the full model, then subnetworks."""
    baselines = ("majority", "bag_of_words", "cbow", "bilstm", "random_init", "random_init_pruned", "full")
    return (*baselines, *(name for name in COLOURS if name not in baselines)).index(subnetwork)


def _score(value: float) -> str:
    return GAP if pd.isna(value) else f"{value:.3f}".replace("0.", ".", 1) if 0 <= value < 1 else f"{value:.2f}"
