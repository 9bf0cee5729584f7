"""The numbers of the chapter on how importances are summed, short enough for a sentence, and its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lottery_utils.show.effects import told
from lottery_utils.show.glue import as_percent, as_text
from lottery_utils.show.stats import Effect
from lottery_utils.show.tables import GAP, dressed

from .figures import other_seed
from .frames import RULES, SCORES, Compared

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

SCRIPT, BATCH = "running 64", 64  # what the common script does
NO_SEARCH = "not searched"
JACCARD = {"head": "Jaccard, heads", "mlp": "Jaccard, MLPs"}


def mean_of(frame: pd.DataFrame, column: str, rule: str = "running", batch: int = BATCH) -> float:
    """Mean over tasks of a column of `full_model` or `between_orders`, for the heads; NaN where nothing is stored."""
    rows = frame[(frame["rule"] == rule) & (frame["batch"] == batch)]
    return float(rows.groupby("task")[column].mean().mean())


def shared(frame: pd.DataFrame) -> str:
    """How many of the heads that the first step removes are the same, with the script's sum."""
    return as_percent(mean_of(frame, "shared"))


def seeds_mean(compared: Compared, rule: str) -> float:
    """Rank correlation of two seeds' heads in the full model under one sum, mean over tasks."""
    rows = compared.between_seeds
    return float(rows.loc[rows["sum"] == rule, "correlation"].mean())


def seeds_phrase(compared: Compared) -> str:
    """How alike two seeds rank the heads of the full model, by the formula and by the script."""
    formula, script = (as_text(seeds_mean(compared, rule)) for rule in ("exact", SCRIPT))
    return f"{formula} by the formula, {script} by the script"


def likeness_phrase(compared: Compared) -> str:
    """How alike the heads are that the script's sum and the formula keep, beside another seed's."""
    heads = _of_rule(compared.alike, SCRIPT, "head")
    if heads.empty:
        return NO_SEARCH
    other = other_seed(compared.seeds_alike, heads["task"])["jaccard"].mean()
    return f"{as_text(float(heads['jaccard'].mean()))}, between two seeds {as_text(float(other))}"


def effect_phrase(compared: Compared, column: str) -> str:
    """The script's sum minus the formula in one of the columns of `Compared.effects`."""
    return told(compared.effects.get((SCRIPT, column), Effect()), pairs=False)


def rule_table(compared: Compared, caption: str, name: str) -> Styler:
    """A row a rule: what its good subnetworks keep and score, means over tasks of means over seeds.

    Scores are shares of the full model's. Only tasks and seeds that every rule has are averaged, so that rows compare.
    """
    found = compared.searched
    if found.empty:
        return dressed(pd.DataFrame({"sum": [GAP], "weights kept": [NO_SEARCH]}), caption, name)
    whole = found.groupby(["task", "seed"])["rule"].transform("nunique") == found["rule"].nunique()
    means = found[whole].groupby(["rule", "task"])[["weights", *SCORES]].mean().groupby("rule").mean()
    alike = compared.alike.groupby(["rule", "component"])["jaccard"].mean().unstack("component")
    frame = means.rename(columns={"weights": "weights kept"}).join(alike.rename(columns=JACCARD))
    frame = frame.reindex([rule for rule in RULES if rule in frame.index]).rename_axis("sum").reset_index()
    formats = dict.fromkeys(("weights kept", *SCORES), as_percent) | dict.fromkeys(JACCARD.values(), "{:.2f}")
    return dressed(frame, caption, name, formats=formats)


def _of_rule(alike: pd.DataFrame, rule: str, component: str) -> pd.DataFrame:
    return alike[(alike["rule"] == rule) & (alike["component"] == component)] if len(alike) else alike
