"""Comparisons, tables and sentences about loss surfaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.show.effects import difference
from lottery_utils.show.glue import listed
from lottery_utils.show.stats import Effect, effect, paired_effects, settled
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import dressed

from .figures import network_name, pair_name
from .frames import Compared, barriers, with_every
from .names import ACROSS, NETWORKS, ORDERED, POINTS, SIZES, SUBNETWORKS, WITHIN

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

COMPARED = (("good-bad", "good-random"), ("good-bad", "next seed: good"), ("next seed: bad", "next seed: good"))
LOW = 0.1  # a barrier below this share of the loss of knowing nothing is called low
LEARNT = 0.9  # a network with a loss below this share of that of knowing nothing has learnt something
NEARER = "(good to bad) − (good to random)"
APART = "(good to bad) − (good to good, next seed)"
BAD_SEEDS = "(bad to bad, next seed) − (good to good, next seed)"


def sharpness_differences(table: pd.DataFrame, method: str, value: str = "sharpness") -> dict[str, Effect]:
    """Differences in sharpness between networks of a method, by label, those with the full model among them."""
    rows = table[table["method"] == method]
    pairs = {}
    for how in ("retrained", "pruned"):
        pairs |= {f"{a} − {b}, {how}": (f"{a}.{how}", f"{b}.{how}") for a, b in ORDERED}
        pairs |= {f"{name} − full, {how}": (f"{name}.{how}", "full") for name in SUBNETWORKS}
    return paired_effects(rows, value, pairs)


def barrier_means(table: pd.DataFrame, method: str) -> dict[str, Effect]:
    """The barrier on each path of a method, by label, over the tasks that have every path.

    `table` as from `analysis.landscape.paths`. None can lie below 0, so none is tested against it.
    """
    rows = barriers(with_every(table[table["method"] == method], "pair"))
    found = {}
    for pair in [f"{a}-{b}" for a, b in WITHIN] + [f"next seed: {name}" for name in ACROSS]:
        by_task = rows[rows["pair"] == pair].groupby("title", sort=False)["barrier"].mean()
        if len(by_task):
            found[pair_name(pair)] = replace(effect(by_task), p=np.nan, corrected=np.nan)
    return found


def barrier_differences(table: pd.DataFrame, method: str) -> dict[str, Effect]:
    """Differences between barriers of the same task and seed, by label."""
    rows = barriers(table[table["method"] == method]).rename(columns={"pair": "network"})
    pairs = {f"({pair_name(a)}) − ({pair_name(b)})": (a, b) for a, b in COMPARED}
    return paired_effects(rows, "barrier", pairs)


def barrier_table(means: dict[str, Effect]) -> Styler:
    """Barriers: mean over tasks, least, most, and how many are low."""
    rows = [
        {
            "path": label,
            "mean": f"{one.by_task.mean():.3f}",
            "least": f"{one.by_task.min():.3f}",
            "most": f"{one.by_task.max():.3f}",
            f"tasks below {LOW:g}": f"{int((one.by_task < LOW).sum())} of {len(one.by_task)}",
        }
        for label, one in means.items()
    ]
    frame = pd.DataFrame(rows, columns=["path", "mean", "least", "most", f"tasks below {LOW:g}"])
    return dressed(frame, "Barriers in shares of the loss of knowing nothing, mean over seeds.", "barriers")


def learnt_sentence(table: pd.DataFrame, method: str, far: pd.DataFrame | None = None) -> str:
    """Differences in sharpness where both networks have learnt something: one that has not has nothing to lose.

    `far` is the table of a longer step, whose differences are said too.
    """
    rows = table[(table["method"] == method) & table["network"].str.endswith(".retrained")]
    learnt = rows[rows["loss"] < LEARNT]
    counts = [f"{len(learnt[learnt['network'] == f'{n}.retrained'])} {n}" for n in SUBNETWORKS]
    steps = "" if far is None else ", with the shorter steps"
    said = _ordered_differences(learnt, method)
    if not said:
        return f"Of the retrained networks {listed(counts)} ones have learnt something: no two to compare."
    text = (
        f"Of the retrained networks of {rows['title'].nunique()} tasks and {rows['seed'].nunique()} "
        f"seed{'s' if rows['seed'].nunique() != 1 else ''}, {listed(counts)} ones have a loss below "
        f"{LEARNT:g} of that of knowing nothing. Between those{steps}: {said}"
    )
    if far is not None:
        text += f"; with the longer ones: {_ordered_differences(far[far['loss'] < LEARNT], method)}"
    return f"{text}."


def _ordered_differences(table: pd.DataFrame, method: str) -> str:
    differences = sharpness_differences(table, method)
    labels = [label for label in (f"{a} − {b}, retrained" for a, b in ORDERED) if label in differences]
    said = [f"{label.removesuffix(', retrained')} {difference(differences, label, 3)}" for label in labels]
    return listed(said, "")


def level_table(table: pd.DataFrame) -> Styler:
    """Each network's loss and its sharpness, mean over tasks and seeds, a row a method and network."""
    rows = []
    for method in dict.fromkeys(table["method"]):
        complete = with_every(table[table["method"] == method])
        for name in NETWORKS:
            own = complete[complete["network"] == name].groupby("title")[["loss", "sharpness"]].mean()
            if len(own):
                rows.append(
                    {
                        "pruning": METHOD_NAMES[method],
                        "network": network_name(name),
                        "loss": f"{own['loss'].mean():.3f}",
                        "rise": f"{own['sharpness'].mean():+.3f}",
                        "tasks": len(own),
                    }
                )
    caption = "Loss and its mean rise, in shares of knowing nothing: mean over the tasks that have every network."
    return dressed(pd.DataFrame(rows, columns=["pruning", "network", "loss", "rise", "tasks"]), caption, "levels")


def examples_sentence(found: list[Compared]) -> str:
    """On how much each loss was measured, along how many directions."""
    if not found:
        return "No loss surface is stored."
    counts = {len(one.arrays["rows"]) for one in found}
    ways = {len(one.arrays["line.full"]) for one in found}
    numbers = " or ".join(str(n) for n in sorted(counts))
    gaps = list(dict.fromkeys(one.title for one in found if one.degenerate))
    text = (
        f"Each loss is the mean over {numbers} dev examples, the same for all networks of a task; there are "
        f"{max(ways)} directions with {len(SIZES)} points each, and {len(POINTS)} points on a path"
    )
    if gaps:
        text += f"; {listed(gaps)} has no subnetworks, as its full model was not searched"
    return text + "."


def seeds_sentence(found: list[Compared]) -> str:
    """Between which seeds the paths of networks of two seeds lead."""
    pairs = dict.fromkeys((one.seed, int(one.arrays["next_seed"][0])) for one in found if "next_seed" in one.arrays)
    if not pairs:
        return "No path between seeds is stored."
    said = listed([f"from seed {first} to {second}" for first, second in pairs])
    if len(pairs) > 1:
        return f"Paths between seeds lead {said}."
    return f"Paths between seeds lead {said}, one a task and kind of network: no mean over seeds evens them out."


def cost_sentence(study: Study, stages: Iterable[str], method: str) -> str:
    """How many cells of `stages` are stored and what they took."""
    wanted = [cell for stage in stages for cell in study.cells([stage], [method]) if cell.stage == stage]
    records = [record for cell in wanted if (record := study.record(cell)) is not None]
    seconds = sum(record["seconds"] for record in records)
    if not records:
        return "no time, as nothing is stored"
    minutes = f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} seconds"
    return f"{len(records)} cell{'s' if len(records) != 1 else ''}, {minutes} of computing"


def flatness_sentence(differences: dict[str, Effect], method: str) -> str:
    """Which of the retrained subnetworks are sharper, as far as it is settled after correction."""
    labels = [f"{a} − {b}, retrained" for a, b in ORDERED]
    there = [label for label in labels if label in differences]
    if not there:
        return f"There are no retrained subnetworks of {METHOD_NAMES[method]} to compare."
    parts = [f"{label.removesuffix(', retrained')} {difference(differences, label, 3)}" for label in there]
    text = f"Rise of the loss around retrained subnetworks of {METHOD_NAMES[method]}: {listed(parts)}."
    firm = settled({label: differences[label] for label in there})
    if not firm:
        return text + " With Holm's correction for the number of differences, none of them is settled."
    said = [f"{_sharper(label, differences[label])}" for label in firm]
    return f"{text} Settled, with Holm's correction: {listed(said)}."


def _sharper(label: str, one: Effect) -> str:
    first, second = label.removesuffix(", retrained").split(" − ")
    sharp, flat = (first, second) if one.mean > 0 else (second, first)
    return f"{sharp} ones are sharper than {flat} ones"


def full_sentence(differences: dict[str, Effect]) -> str:
    """How sharp the retrained subnetworks are against the full model."""
    labels = [label for label in (f"{name} − full, retrained" for name in SUBNETWORKS) if label in differences]
    if not labels:
        return "there are no subnetworks to compare."
    said = [f"{label.split(' ')[0]} ones {difference(differences, label, 3)}" for label in labels]
    return f"{listed(said)}."


def barrier_sentence(means: dict[str, Effect], label: str) -> str:
    """One barrier in words: mean, range over tasks, and how many are low."""
    if label not in means:
        return "not measured"
    values = means[label].by_task
    if len(values) == 1:
        return f"{values.iloc[0]:.2f} (one task)"
    low = int((values < LOW).sum())
    text = f"{values.mean():.2f}, from {values.min():.2f} to {values.max():.2f}"
    return f"{text}; below {LOW:g} on {low} of {len(values)} tasks"
