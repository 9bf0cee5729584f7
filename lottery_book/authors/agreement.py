"""How far the released masks of five seeds agree, and those of two tasks: the authors' statistics and Jaccard."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from ..agreement.coefficients import (
    cochran_p,
    fleiss_kappa,
    krippendorff_alpha,
    mean_pair_jaccard,
    share_pairs_not_rejected,
)
from .release import Release

SEED_AGREEMENT = ("family", "component", "task", "cochran_p", "share_pairs_not_rejected", "fleiss_kappa")
SEED_AGREEMENT += ("krippendorff_alpha", "mean_pair_jaccard")
TASK_PAIR_ALPHA = ("component", "task_a", "task_b", "krippendorff_alpha")
FAMILIES = ("heads_mlps", "heads_mlps_hans")
STATISTICS = (cochran_p, share_pairs_not_rejected, fleiss_kappa, krippendorff_alpha, mean_pair_jaccard)


def seed_agreement(release: Release) -> pd.DataFrame:
    """The statistics of `analysis.agreement` over a task's seeds, one row a task and component.

    Empty where a statistic is undefined: Cochran's p of identical masks, kappa and alpha of masks that are all
    full or all empty. A pair of seeds with undefined p counts as rejected, as in the authors' notebook; a pair of
    empty masks has no Jaccard index and is left out of its mean.
    """
    rows = []
    for family in FAMILIES:
        for component in ("head", "mlp"):
            for task in release.tasks(family):
                _, votes = release.stacked(family, task, component)
                values = [found(votes) if len(votes) > 1 else np.nan for found in STATISTICS]
                rows.append((family, component, task, *values))
    return pd.DataFrame(rows, columns=list(SEED_AGREEMENT))


def task_pair_alpha(release: Release) -> pd.DataFrame:
    """Krippendorff's alpha with all seeds of both tasks as raters, as in the authors' notebook; each pair once.

    Tasks of both families, in alphabetical order, `task_a` before `task_b`.
    """
    rows = []
    for component in ("head", "mlp"):
        votes = {}
        for family in FAMILIES:
            for task in release.tasks(family):
                found = release.stacked(family, task, component)[1]
                if len(found):
                    votes[task] = found
        for a, b in combinations(sorted(votes), 2):
            rows.append((component, a, b, krippendorff_alpha(np.concatenate([votes[a], votes[b]]))))
    return pd.DataFrame(rows, columns=list(TASK_PAIR_ALPHA))
