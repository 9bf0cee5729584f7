"""Words and tables of the authors' chapter; each takes tables of `analysis.published` or `authors.findings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lottery_utils.show.glue import as_percent, as_text, listed
from lottery_utils.show.tables import GAP, dressed

from ..agreement.coefficients import LEVEL
from ..agreement.overlap_figures import KINDS, p_text
from .findings import EXACT

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler


FAMILY_NAMES = {
    "heads_mlps": "good",
    "heads_mlps_random": "random",
    "heads_mlps_bad_1": "bad",
    "heads_mlps_super": "super-survivors",
    "heads_mlps_super_midling": "super random",
    "heads_mlps_super_bizzaro": "super bad",
}


def size_titles(sizes: pd.DataFrame) -> dict[str, str]:
    """Panel titles by task: name and share of prunable weights left; columns task, title, share."""
    means = sizes.groupby(["task", "title"])["share"].mean()
    return {task: f"{title}: {as_percent(share)} left" for (task, title), share in means.items()}


def across_sentence(across: pd.DataFrame) -> str:
    """How widely the numbers of tasks spread over heads."""
    heads = across[(across["family"] == "heads_mlps") & (across["component"] == "head")]["mean"]
    return (
        f"On average over seeds the {len(heads)} heads survive in {heads.min():.1f} to {heads.max():.1f} of "
        f"nine tasks, "
        f"half of them in {heads.quantile(0.25):.1f} to {heads.quantile(0.75):.1f}; "
        f"{(heads >= 8).sum()} in eight or more, {(heads <= 1).sum()} in one or none."
    )


def jaccard_sentence(agreement: pd.DataFrame, component: str) -> str:
    """Whether five seeds agree more than chance, over the tasks that can be tested."""
    rows = agreement[(agreement["family"] == "heads_mlps") & (agreement["component"] == component)]
    rows = rows[rows["permutation_p"].notna()]
    above = (rows["permutation_p"] * len(rows) < LEVEL).sum()
    means = rows[["mean_pair_jaccard", "chance_pair_jaccard"]].mean()
    return (
        f"{KINDS[component][0].upper() + KINDS[component][1:]}: mean Jaccard index {means.iloc[0]:.2f}, by "
        f"chance {means.iloc[1]:.2f}; above "
        f"chance on {above} of {len(rows)} tasks (permutation test, corrected for the number of tasks)."
    )


def overlap_sentence(overlap: pd.DataFrame) -> str:
    """Shared heads and MLPs over pairs of tasks, without WNLI."""
    rows = overlap[(overlap["family"] == "heads_mlps") & (overlap["task_a"] < overlap["task_b"])]
    rows = rows[(rows["task_a"] != "WNLI") & (rows["task_b"] != "WNLI")]
    parts = []
    for component, name in KINDS.items():
        own = rows[rows["component"] == component]
        more = (own["mean_shared"] > own["chance_mean"]).sum()
        parts.append(
            f"two tasks share {own['mean_shared'].mean():.1f} {name}, {own['chance_mean'].mean():.1f} by chance "
            f"(more than chance for {more} of {len(own)} pairs)"
        )
    return f"On average, {listed(parts)}."


def plotted_sentence(bars: pd.DataFrame) -> str:
    """How much the wrong bars change, and what the right ones say."""
    rows = bars[bars["task"] != "wnli"]
    most = rows.loc[rows["gap"].idxmax()]
    return (
        f"As plotted, random subnetworks retrained reach {100 * rows['plotted'].mean():.1f} on average over "
        f"{len(rows)} tasks (without WNLI); the released results say {100 * rows['random'].mean():.1f}. The "
        f"bar is too "
        f"high on {(rows['gap'] > 0).sum()} of them, most on {most['title']} ({100 * most['gap']:+.1f} points), "
        f"and too low on {listed(list(rows.loc[rows['gap'] < 0, 'title']))}."
    )


def step_sentence(errors: pd.DataFrame, levels: pd.DataFrame) -> str:
    """Which step size fits, how far the others are, and how many steps were taken."""
    worst = errors.groupby("step")["error"].max().sort_values()
    fits = worst[worst < EXACT]
    usual = levels[levels["task"] != "wnli"]["steps"]
    return (
        f"Steps of {listed([f'{step} %' for step in fits.index])} give all nine stored shares to "
        f"{_power(fits.max())}, the "
        f"next best ({worst.index[len(fits)]} %) misses one by {_power(worst.iloc[len(fits)])}, and 10 % by "
        f"{_power(worst[10])}. "
        f"The seeds took {usual.min()} to {usual.max()} steps on eight tasks; on WNLI two stopped at "
        f"{levels['steps'].max()}. The committed settings, at most ten steps of 10 %, could not go below "
        f"{as_percent(0.9**9)}; the smallest released subnetwork keeps {as_percent(levels['share'].min())}."
    )


def importance_sentence(compared: pd.DataFrame, between: pd.DataFrame) -> str:
    """How differently the two protocols order the heads, and what it does to the good subnetwork."""
    if compared.empty:
        return "The two searches are not stored, so there is nothing to compare yet."
    lowest, common = compared["lowest"].iloc[0], compared["common"]
    took = f"{common.min()} to {common.max()}" if common.min() < common.max() else f"{common.min()}"
    said = (
        f"On {compared['title'].iloc[0]} the two orders of the heads have a rank correlation of "
        f"{compared['spearman'].min():.2f} to {compared['spearman'].max():.2f} ({_seeds(len(compared))}). Of "
        f"the {lowest} "
        f"heads that the first step takes, both take {took}."
    )
    heads = between[between["component"] == "head"]
    if len(heads):
        row = heads.iloc[0]
        said += f" The heads of the two good subnetworks have a Jaccard index of {row['jaccard']:.2f} on average; "
        said += f"two random draws of their sizes would have {row['chance']:.2f}."
    return said


def slice_sentence(errors: pd.DataFrame) -> str:
    """What the two ways to slice the projection give."""
    rows, columns = (errors[errors["slices"] == kind] for kind in ("rows", "columns"))
    return (
        f"In the {len(columns)} layers of the embedded micro-BERT, column slices give parts that sum to the "
        f"layer's output, "
        f"to {_power(columns['error'].max())} of its length. Row slices miss it by {rows['error'].min():.2f} to "
        f"{rows['error'].max():.2f} times its length, and the norms drawn from them correlate with the "
        f"correct ones by "
        f"{rows['correlation'].min():.2f} to {rows['correlation'].max():.2f}."
    )


def selection_sentence(kept: pd.DataFrame) -> str:
    """How close "good, pruned" is to the threshold, and how small its deviation, beside retraining."""
    parts = []
    for method, name in (("structured", "s"), ("magnitude", "m")):
        own = kept[(kept["method"] == method) & (kept["subnetwork"] == "good")].set_index("treatment")
        share, spread = own.loc["pruned", "kept"], own.groupby(level=0)["kept_std"].mean()
        parts.append(
            f"good {name}-pruned subnetworks score {as_percent(share.min())} to {as_percent(share.max())} of the "
            f"full "
            f"model on the eight tasks, with a deviation over seeds of {100 * spread['pruned']:.1f} points "
            f"({100 * spread['retrained']:.1f} when retrained)"
        )
    return f"The threshold is 90 %: {listed(parts)}."


def size_sentence(sizes: pd.DataFrame, task: str = "mnli") -> str:
    """One task's three sizes."""
    row = sizes[sizes["task"] == task].iloc[0]
    return (
        f"On {row['title']}, {as_percent(row['all'])} of all weights and {as_percent(row['prunable'])} of the "
        f"prunable ones "
        f"are left; the figure prints {as_percent(row['printed'])}. A full model would print {as_percent(1 - 0.21)}."
    )


def cochran_sentence(rows: pd.DataFrame) -> str:
    """The clearest case where "not rejected" is no agreement, and what the share of pairs goes with."""
    mlps = rows[rows["component"] == "mlp"]
    row = mlps.loc[mlps["cochran_p"].idxmax()]
    kept = rows[rows["share_pairs_not_rejected"] >= 0.9]
    no_more = (kept["permutation_p"] >= LEVEL).sum()
    return (
        f"{row['title']}, MLPs: Cochran's p is {row['cochran_p']:.2f}, and all pairs of seeds pass; "
        f"Krippendorff's alpha is "
        f"{row['krippendorff_alpha']:.2f} and the Jaccard index {row['mean_pair_jaccard']:.2f}, with "
        f"{row['chance_pair_jaccard']:.2f} by chance (p = {p_text(row['permutation_p'])}). Of the {len(kept)} "
        f"cases where nine "
        f"or more of ten pairs pass, {no_more} cannot be told from masks drawn at random."
    )


def super_sentence(different: pd.DataFrame) -> str:
    """Which controls do not vary with the seed, and how far random sizes do."""
    rows = different.set_index("family")
    bad, middling = rows.loc["heads_mlps_super_bizzaro"], rows.loc["heads_mlps_super_midling"]
    return (
        f"Five seeds have {_range(bad['head'])} different super bad mask of heads and {_range(bad['mlp'])} of "
        f"MLPs, but "
        f"{_range(middling['head'])} different super random masks of heads."
    )


def footprint_sentence(log: pd.DataFrame) -> str:
    """Hours and energy of the tracked searches, and how much is not known."""
    known = log[log["seconds"].notna()]
    return (
        f"{len(known)} of {len(log)} logs of the joint searches have a duration: "
        f"{known['seconds'].sum() / 3600:.1f} hours "
        f"in all, {known['gpu_kwh'].sum():.2f} kWh by GPUs and {known['cpu_kwh'].sum():.2f} kWh by CPUs. The other "
        f"{len(log) - len(known)} have one sample."
    )


def statistics_table(agreement: pd.DataFrame) -> Styler:
    """The authors' statistics between seeds, recomputed, and Jaccard beside chance; GLUE and HANS tasks."""
    shown = pd.DataFrame({"task": agreement["title"], "": agreement["component"].map(KINDS)})
    for column, name in (
        ("cochran_p", "Cochran's Q, p"),
        ("share_pairs_not_rejected", "pairs not rejected"),
        ("fleiss_kappa", "Fleiss' kappa"),
        ("krippendorff_alpha", "Krippendorff's alpha"),
        ("mean_pair_jaccard", "Jaccard"),
        ("chance_pair_jaccard", "by chance"),
        ("permutation_p", "p"),
    ):
        form = p_text if column in ("cochran_p", "permutation_p") else as_text
        shown[name] = [GAP if pd.isna(value) else form(float(value)) for value in agreement[column]]
    caption = "The authors' joint masks: agreement of five seeds. Last three columns: not in the release."
    return _published(dressed(shown, caption, "authors-agreement"))


def different_table(different: pd.DataFrame) -> Styler:
    """How many different masks five seeds have, family by family."""
    rows = different.set_index("family").reindex(FAMILY_NAMES)
    shown = pd.DataFrame({"masks": list(FAMILY_NAMES.values()), "folder": [f"masks/{name}" for name in FAMILY_NAMES]})
    shown["different for heads"] = [_range(pair) for pair in rows["head"]]
    shown["different for MLPs"] = [_range(pair) for pair in rows["mlp"]]
    caption = "How many different masks the five seeds of a task have: least to most over eight tasks (without WNLI)."
    return _published(dressed(shown, caption, "authors-different"))


def sources_table(sources: dict[str, str]) -> Styler:
    """Where each restated table comes from."""
    frame = pd.DataFrame({"table": list(sources), "source": list(sources.values())})
    return dressed(frame, "The published numbers restated in this package, and their sources.", "sources", wrapped=True)


def _published(style: Styler) -> Styler:
    """Marks a table of published numbers, so that it looks like one."""
    return style.set_table_attributes('class="dataframe published"')


def _range(pair: tuple[int, int]) -> str:
    least, most = pair
    return f"{least}" if least == most else f"{least} to {most}"


def _power(value: float) -> str:
    """A small number as "8·10⁻⁸"."""
    digits, exponent = f"{value:.0e}".split("e")
    return f"{digits}·10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _seeds(n: int) -> str:
    return f"{n} seed" + ("s" if n != 1 else "")
