"""Three ways to search: heads alone, MLPs alone, both together; the same fine-tuned models, three studies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.frames import component_survival
from lottery_utils.show.glue import as_text, listed

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study


def alone(studies: dict[str, Study]) -> pd.DataFrame:
    """What survives when each kind of component is pruned alone: heads of "heads", MLPs of "mlps".

    Columns as `gather.SURVIVAL`; tasks and seeds that both searches have, so that counts compare.
    """
    heads = component_survival(studies["heads"], "structured").query("component == 'head'")
    mlps = component_survival(studies["mlps"], "structured").query("component == 'mlp'")
    both = set(zip(heads["task"], heads["seed"])) & set(zip(mlps["task"], mlps["seed"]))
    rows = pd.concat([heads, mlps], ignore_index=True)
    there = np.array([pair in both for pair in zip(rows["task"], rows["seed"])], bool)
    return rows[there].reset_index(drop=True)


def sizes_sentence(together: pd.DataFrame, apart: pd.DataFrame) -> str:
    """How much survives alone and together, over the tasks and seeds that both have."""
    keys = ["task", "seed"]
    parts = []
    for component, name in (("head", "heads"), ("mlp", "MLPs")):
        found = []
        for rows in (apart, together):
            rows = rows[rows["component"] == component]
            found.append(rows.groupby(keys, sort=False)["kept"].mean())
        both = pd.concat(found, axis=1, join="inner").groupby("task").mean().mean()
        if both.notna().all():
            shares = [f"{100 * share:.0f} %" for share in both]
            parts.append(f"{shares[0]} of the {name} survive when pruned alone, {shares[1]} when pruned together")
    return f"On average over tasks, {listed(parts)}." if parts else "There is nothing to compare."


def likeness_sentence(between: pd.DataFrame) -> str:
    """How alike the masks of two kinds of search are, beside chance; `between` as from `overlap.jaccard_between`."""
    parts = []
    for component, name in (("head", "heads"), ("mlp", "MLPs")):
        rows = between[(between["component"] == component) & between["jaccard"].notna()]
        if len(rows):
            found, chance = (as_text(float(rows[c].mean())) for c in ("jaccard", "chance"))
            above = int((rows["jaccard"] > rows["chance"]).sum())
            where = f"above chance on {above} of {len(rows)} tasks" if len(rows) > 1 else "on one task"
            parts.append(f"for {name} it is {found} on average, {chance} by chance ({where})")
    if not parts:
        return "There is nothing to compare."
    return f"The Jaccard index of the masks found alone and together says how alike they are: {listed(parts)}."
