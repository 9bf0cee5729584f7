"""Do seeds keep the same components? Statistics of masks (paper, section on stability).

`votes` are bool (seeds, components): whether a seed's mask keeps a component.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from lottery_utils.experiment.identity import numpy_generator_for

LEVEL = 0.05  # a pair of seeds counts as "not rejected" from this p on
PERMUTATIONS = 9999
NAN = float("nan")
STATISTICS = (
    "mean_pair_jaccard",
    "chance_pair_jaccard",
    "permutation_p",
    "fleiss_kappa",
    "cochran_p",
    "share_pairs_not_rejected",
)
AGREEMENT = ("task", "title", "component", *STATISTICS)


def cochran_p(votes: np.ndarray) -> float:
    """p of Cochran's Q, components as blocks and seeds as treatments (statsmodels).

    It asks whether seeds keep equally *many* components, not whether they keep the same. NaN with one seed and
    where the seeds' masks are identical: Q is then 0/0.
    """
    from statsmodels.stats.contingency_tables import cochrans_q

    if len(votes) < 2 or (votes == votes[0]).all():
        return NAN
    return float(cochrans_q(votes.T.astype(float)).pvalue)


def share_pairs_not_rejected(votes: np.ndarray, level: float = LEVEL) -> float:
    """Share of the pairs of seeds with p >= `level` in `cochran_p`; NaN with one seed.

    As in the authors' notebook, uncorrected, and a pair with undefined p, two identical masks, counts as rejected.
    """
    if len(votes) < 2:
        return NAN
    # NaN >= level is False
    return float(np.mean([cochran_p(votes[list(pair)]) >= level for pair in combinations(range(len(votes)), 2)]))


def fleiss_kappa(votes: np.ndarray) -> float:
    """Fleiss' kappa, seeds as raters and components as subjects (statsmodels).

    1 is full agreement, 0 what raters of the same *joint* share would reach by chance; slightly negative values
    are expected under chance with few components. NaN with one seed, and when all or no component is kept.
    """
    from statsmodels.stats.inter_rater import fleiss_kappa as kappa

    if len(votes) < 2 or _constant(votes):
        return NAN
    kept = votes.sum(axis=0)
    return float(kappa(np.stack([len(votes) - kept, kept], axis=1)))


def krippendorff_alpha(votes: np.ndarray) -> float:
    """Krippendorff's alpha, nominal (krippendorff package); for 0/1 data the interval level gives the same.

    As Fleiss' kappa, corrected for the small sample. NaN in the same cases.
    """
    import krippendorff

    if len(votes) < 2 or _constant(votes):
        return NAN
    return float(krippendorff.alpha(reliability_data=votes.astype(float), level_of_measurement="nominal"))


def mean_pair_jaccard(votes: np.ndarray) -> float:
    """Jaccard index, kept in both / kept in one or both, mean over pairs of seeds that keep any; NaN without one."""
    first, second = np.triu_indices(len(votes), 1)
    both = (votes[first] & votes[second]).sum(axis=1)
    either = (votes[first] | votes[second]).sum(axis=1).astype(float)
    found = both[either > 0] / either[either > 0]
    return float(found.mean()) if len(found) else NAN


def chance_pair_jaccard(votes: np.ndarray) -> float:
    """What `mean_pair_jaccard` is expected to be when each seed draws as many components as it kept, independently.

    Exact: the size of the intersection of two such draws is hypergeometric. NaN where that is NaN.
    """
    from scipy.stats import hypergeom

    total, sizes, expected = votes.shape[1], votes.sum(axis=1), []
    for a, b in combinations(sizes.tolist(), 2):
        if a + b:
            both = np.arange(max(0, a + b - total), min(a, b) + 1)
            weight = hypergeom.pmf(both, total, a, b)
            expected.append(float(weight @ (both / (a + b - both)) / weight.sum()))
    return float(np.mean(expected)) if expected else NAN


def jaccard_permutation(votes: np.ndarray, rng: np.random.Generator, n: int = PERMUTATIONS) -> float:
    """p of a mean pairwise Jaccard index above chance: one-sided, components permuted in each seed alone.

    The sizes stay, so unequal sizes are no evidence either way. NaN when fewer than two seeds keep some but not
    all components: permuting then changes nothing. p = (1 + permutations at least as extreme) / (1 + n).
    """
    observed, sizes = mean_pair_jaccard(votes), votes.sum(axis=1)
    if n < 1 or ((sizes > 0) & (sizes < votes.shape[1])).sum() < 2:
        return NAN
    count, chunk = 0, max(1, 2_000_000 // votes.size)
    for start in range(0, n, chunk):
        many = np.broadcast_to(votes, (min(chunk, n - start), *votes.shape))
        null = _pair_means(rng.permuted(many, axis=2).astype(np.float32), sizes)
        count += int((null >= observed - 1e-9).sum())  # equal counts may round differently
    return (1 + count) / (1 + n)


def agreement(survival: pd.DataFrame, permutations: int = PERMUTATIONS) -> pd.DataFrame:
    """`statistics` for each task and kind of component of s-pruning: columns `AGREEMENT`, one row each.

    `survival` as from `show.frames.component_survival`. Each row's permutations come from a generator of its own.
    """
    rows, masks = [], {component: masks_of(survival, component) for component in ("head", "mlp")}
    for task, title in dict(zip(survival["task"], survival["title"])).items():
        for component, of_tasks in masks.items():
            rng = numpy_generator_for("agreement", f"{task}/{component}")
            values = statistics(np.stack(list(of_tasks[task].values())), rng, permutations)
            rows.append((task, title, component, *values.values()))
    return pd.DataFrame(rows, columns=list(AGREEMENT))


def statistics(votes: np.ndarray, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> dict[str, float]:
    """`STATISTICS` of one set of masks, by name."""
    jaccard = mean_pair_jaccard(votes), chance_pair_jaccard(votes), jaccard_permutation(votes, rng, permutations)
    tests = fleiss_kappa(votes), cochran_p(votes), share_pairs_not_rejected(votes)
    return dict(zip(STATISTICS, (*jaccard, *tests), strict=True))


def masks_of(survival: pd.DataFrame, component: str) -> dict[str, dict[int, np.ndarray]]:
    """The masks of all "head" or "mlp" components as bool (components,), layer by layer: by task and seed, in order."""
    masks: dict[str, dict[int, np.ndarray]] = {}
    rows = survival[survival["component"] == component]
    for (task, seed), own in rows.groupby(["task", "seed"], sort=False):
        masks.setdefault(task, {})[seed] = own.sort_values(["layer", "head"])["kept"].to_numpy(bool)
    return masks


def _pair_means(many: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Mean pairwise Jaccard of each of `many` sets of masks (n, seeds, components), with `sizes` (seeds,) kept."""
    first, second = np.triu_indices(len(sizes), 1)
    defined = sizes[first] + sizes[second] > 0
    first, second = first[defined], second[defined]
    both = np.matmul(many, many.transpose(0, 2, 1))[:, first, second].astype(float)
    return (both / (sizes[first] + sizes[second] - both)).mean(axis=1)


def _constant(votes: np.ndarray) -> bool:
    return bool(votes.all() or not votes.any())
