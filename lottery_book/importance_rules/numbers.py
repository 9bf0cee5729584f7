"""The numbers of the chapter on how importances are summed, short enough for a sentence, and its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.effects import told
from lottery_utils.show.glue import as_percent, as_text
from lottery_utils.show.stats import Effect
from lottery_utils.show.tables import GAP, dressed, percent

from .figures import other_seed
from .frames import RULES, SCORES, Compared

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

SCRIPT, BATCH = "running 64", 64  # what the common script does
NO_SEARCH = "not searched"
JACCARD = {"head": "Jaccard, heads", "mlp": "Jaccard, MLPs"}


def mean_of(frame: pd.DataFrame, column: str, rule: str = "running", batch: int = BATCH) -> float:
    """Mean over tasks of a column of `full_model` or `between_orders`, for the heads; NaN where nothing is stored."""
    rows = frame[(frame["component"] == "heads") & (frame["rule"] == rule) & (frame["batch"] == batch)]
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
    found, rules = compared.searched, compared.searched["rule"].nunique()
    found = found[found.groupby(["task", "seed"])["rule"].transform("nunique") == rules] if rules else found
    rows = []
    for rule in (rule for rule in RULES if rule in set(found["rule"])):
        means = found[found["rule"] == rule].groupby("task")[["weights", *SCORES]].mean().mean()
        shown = {"sum": rule} | {f"{k} kept" if k == "weights" else k: percent(means[k], np.nan) for k in means.index}
        for component, title in JACCARD.items():
            pairs = _of_rule(compared.alike, rule, component)
            shown[title] = f"{pairs['jaccard'].mean():.2f}" if len(pairs) else GAP
        rows.append(shown)
    return dressed(pd.DataFrame(rows or [{"sum": GAP, "weights kept": NO_SEARCH}]), caption, name)


def _of_rule(alike: pd.DataFrame, rule: str, component: str) -> pd.DataFrame:
    return alike[(alike["rule"] == rule) & (alike["component"] == component)] if len(alike) else alike
