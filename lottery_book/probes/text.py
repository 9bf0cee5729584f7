"""Comparisons, tables and sentences about linguistic probes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.show.effects import difference
from lottery_utils.show.glue import as_percent, listed
from lottery_utils.show.stats import Effect, paired_effects, settled
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import GAP, dressed

from ..loss_surface.frames import Compared
from ..loss_surface.names import SUBNETWORKS
from ..loss_surface.text import ORDERED
from .figures import probed_name
from .frames import PROBED
from .names import PROBES

SMALL = 0.005  # differences in accuracy smaller than this are counted, not named


def probe_differences(
    layers: pd.DataFrame, method: str, value: str, how: str, probes: tuple[str, ...] = PROBES
) -> dict[str, Effect]:
    """Differences in `value` between the subnetworks of a method, treated as `how` says, for each probe, by label.

    `layers` as from `analysis.probing.over_layers`.
    """
    found = {}
    for probe in probes:
        rows = layers[(layers["method"] == method) & (layers["probe"] == probe)]
        pairs = {f"{probe}: {a} − {b}": (f"{a}.{how}", f"{b}.{how}") for a, b in ORDERED}
        found |= paired_effects(rows, value, pairs)
    return found


def fine_tuning_differences(layers: pd.DataFrame, method: str, value: str) -> dict[str, Effect]:
    """The full model against the pre-trained one, and subnetworks against the full model, for each probe, by label."""
    found = {}
    for probe in PROBES:
        rows = layers[(layers["method"] == method) & (layers["probe"] == probe)]
        pairs = {f"{probe}: full − pre-trained": ("full", "pretrained")}
        pairs |= {f"{probe}: {name} retrained − full": (f"{name}.retrained", "full") for name in SUBNETWORKS}
        found |= paired_effects(rows, value, pairs)
    return found


def probe_table(layers: pd.DataFrame, floors: pd.DataFrame, method: str, name: str = "probes") -> Styler:
    """Accuracy, and in brackets selectivity, of each network and probe: mean over layers, tasks and seeds."""
    rows = layers[layers["method"] == method]
    names = set(rows["network"])
    complete = [task for task, own in rows.groupby("task") if set(own["network"]) == names]
    rows, shown = rows[rows["task"].isin(complete)], []
    for network in PROBED:
        own = rows[rows["network"] == network]
        if own.empty:
            continue
        line = {"network": probed_name(network)}
        for probe in PROBES:
            means = own[own["probe"] == probe].groupby("task")[["linguistic", "selectivity", "hard"]].mean().mean()
            line[probe] = f"{means['linguistic']:.3f} ({means['selectivity']:+.3f})"
            if probe == "number":
                line["number, hard"] = GAP if np.isnan(means["hard"]) else f"{means['hard']:.3f}"
        shown.append(line)
    for label, column in (("most frequent label", "majority"), ("each word's label", "word")):
        line = {"network": label}
        for probe in PROBES:
            one = floors[floors["probe"] == probe]
            if len(one):
                own, control = float(one[column].iloc[0]), float(one[f"control_{column}"].iloc[0])
                line[probe] = f"{own:.3f} ({own - control:+.3f})"
        shown.append(line)
    columns = ["network", "part of speech", "number", "number, hard", "depth", "role"]
    caption = (
        f"Test accuracy of linear probes and, in brackets, selectivity; {METHOD_NAMES[method]}, mean over layers above "
        f"the embeddings, over {len(complete)} tasks and their seeds."
    )
    return dressed(pd.DataFrame(shown, columns=columns), caption, f"{name}-{method}")


def words_sentence(floors: pd.DataFrame) -> str:
    """How many words each probe learns from and is tested on."""
    if floors.empty:
        return "No probes are stored."
    parts = [f"{row.probe} {row.train:,} and {row.test:,}" for row in floors.itertuples()]
    hard = floors.loc[floors["probe"] == "number", "hard"]
    text = f"Words to learn from and to be tested on: {listed(parts)}"
    error = 0.5 / max(1, hard.iloc[0]) ** 0.5
    text += f"; of the test words for number {hard.iloc[0]} are hard"
    return f"{text}, so few that accuracy on them has a standard error of {error:.2f} from the choice of words alone."


def context_sentence(layers: pd.DataFrame, floors: pd.DataFrame, method: str) -> str:
    """Which probes need more than the word: how far the pre-trained network is above what needs no network."""
    rows = layers[(layers["method"] == method) & (layers["network"] == "pretrained")]
    if rows.empty or floors.empty:
        return "There is nothing to compare with the words alone."
    parts = []
    for row in floors.itertuples():
        mean = rows.loc[rows["probe"] == row.probe, "linguistic"].mean()
        parts.append(f"{row.probe} {as_percent(mean)} against {as_percent(max(row.majority, row.word))}")
    return (
        "The pre-trained network, mean over layers, against what is reached without any network, by the most frequent "
        f"label or by each word's own, whichever is better: {listed(parts)}."
    )


def pretraining_sentence(layers: pd.DataFrame, method: str) -> str:
    """The pre-trained network against random weights, of which there is one network a seed."""
    rows = layers[layers["method"] == method].groupby(["network", "probe"])["linguistic"].mean()
    if "pretrained" not in rows or "random_init" not in rows:
        return "not measured."
    parts = [f"{p} {as_percent(rows['pretrained', p])} against {as_percent(rows['random_init', p])}" for p in PROBES]
    return (
        f"{listed(parts)}, mean over layers. There is one pre-trained network, and one of random weights a seed, the "
        "same for every task, so no interval is given."
    )


def settled_sentence(differences: dict[str, Effect], what: str) -> str:
    """Which differences hold up to Holm's correction for all of them, and which more have an interval without 0."""
    if not differences:
        return f"There are no two networks to compare in {what}."
    count, firm = len(differences), settled(differences)
    other = [k for k, one in differences.items() if one.decided and k not in firm]
    if not firm and not other:
        return f"Of {count} differences in {what}, none has an interval that does not hold 0."
    text = f"Of {count} differences in {what}, "
    if firm:
        holds = "hold" if len(firm) > 1 else "holds"
        text += f"{len(firm)} {holds} up to Holm's correction for all of them: {_named(differences, firm)}."
    else:
        text += "none holds up to Holm's correction for all of them."
    if other:
        more = f"{len(other)} {'others have' if len(other) > 1 else 'other has'}" if firm else f"{len(other)} of them"
        more += "" if firm else " have" if len(other) > 1 else " has"
        text += f" {more} an uncorrected interval that does not hold 0: {_named(differences, other)}."
        text += f" By chance alone about {0.05 * count:.1f} of the {count} intervals would be expected to miss 0."
    return text


def _named(differences: dict[str, Effect], labels: list[str]) -> str:
    small = [label for label in labels if abs(differences[label].mean) < SMALL]
    said = [f"{label} {difference(differences, label, 3)}" for label in labels if label not in small]
    return listed(said + ([f"{len(small)} smaller than {SMALL:g}"] if small else []))


def hard_sentence(layers: pd.DataFrame, method: str) -> str:
    """How the accuracies on hard verbs lie to a half: under it, probes follow the noun in between."""
    hard = layers[layers["method"] == method].groupby("network")["hard"].mean().dropna()
    if hard.empty:
        return "Accuracy on hard verbs was not measured."
    text = f"On hard verbs the mean accuracy of the networks is between {hard.min():.2f} and {hard.max():.2f}"
    if hard.max() >= 0.5:
        return f"{text}."
    return (
        f"{text}, all below a half: there the answer is more often the number of the noun in between. So a lower "
        "accuracy need not mean that less is known of number."
    )


def gap_sentence(found: list[Compared]) -> str:
    """Which tasks have no subnetworks."""
    gaps = list(dict.fromkeys(one.title for one in found if one.degenerate))
    if not gaps:
        return "Every task has its subnetworks."
    return f"{listed(gaps)}: no subnetworks, as the full model was not searched."
