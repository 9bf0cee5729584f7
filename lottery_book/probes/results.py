"""What the stored probe cells say: accuracies as a table, and differences between networks in points of accuracy."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.show.effects import effect_table
from lottery_utils.show.frames import Reading, joined
from lottery_utils.show.stats import Effect, corrected, paired_effects

from ..loss_surface.stage import NETWORKS, ORDERED, SUBNETWORKS
from .tokens import MASKED, PROBES, UNTRAINED

PROBED = (*UNTRAINED, *MASKED, *NETWORKS)
POINTS = 100  # of accuracy from 0 to 1
VALUES = ("linguistic", "control", "selectivity", "hard")
GOOD_BAD = "good − bad"


def accuracies(compared: list[Reading]) -> pd.DataFrame:
    """Test accuracies in points: columns task, title, seed, network, probe, layer (0: the embeddings), and `VALUES`.

    `selectivity` is linguistic less control accuracy; `hard` is of the probe "number" alone, NaN elsewhere.
    """
    frames = []
    for reading in compared:
        for network in (name for name in PROBED if f"accuracy.{name}" in reading.arrays):
            for probe, (linguistic, control) in zip(PROBES, reading.arrays[f"accuracy.{network}"], strict=True):
                same = {"task": reading.task, "title": reading.title, "seed": reading.seed}
                frame = pd.DataFrame({**same, "network": network, "probe": probe, "layer": range(len(control))})
                hard = reading.arrays.get(f"hard.{network}") if probe == "number" else None
                values = (linguistic, control, linguistic - control, hard)
                frames.append(frame.assign(**dict(zip(VALUES, values, strict=True))))
    table = joined(frames, ["task", "title", "seed", "network", "probe", "layer", *VALUES])
    return table.assign(**POINTS * table[list(VALUES)].astype(float))


def over_layers(table: pd.DataFrame) -> pd.DataFrame:
    """`accuracies`, mean over the layers above the embeddings: one row a network and probe."""
    keys = ["task", "title", "seed", "network", "probe"]
    return table[table["layer"] > 0].groupby(keys, sort=False)[list(VALUES)].mean().reset_index()


def differences(
    layers: pd.DataFrame, how: str, value: str = "linguistic", probes: tuple[str, ...] = PROBES
) -> dict[str, Effect]:
    """Between good, random and bad subnetworks treated as `how` says, in points, by label as "depth: good − bad".

    `layers` as from `over_layers`, `value` one of `VALUES`. p is corrected (Holm) for all that are returned.
    """
    return _paired(layers, {f"{a} − {b}": (f"{a}.{how}", f"{b}.{how}") for a, b in ORDERED}, value, probes)


def against_full(layers: pd.DataFrame) -> dict[str, Effect]:
    """The full model against the pre-trained one, retrained subnetworks against the full model; as `differences`."""
    pairs = {"full − pre-trained": ("full", "pretrained")}
    pairs |= {f"{name} retrained − full": (f"{name}.retrained", "full") for name in SUBNETWORKS}
    return _paired(layers, pairs, "linguistic", PROBES)


def _paired(
    layers: pd.DataFrame, pairs: Mapping[str, tuple[str, str]], value: str, probes: tuple[str, ...]
) -> dict[str, Effect]:
    effects = {}
    for probe in probes:
        named = {f"{probe}: {label}": pair for label, pair in pairs.items()}
        effects |= paired_effects(layers[layers["probe"] == probe], value, named)
    return corrected(effects)


def good_bad_table(by_group: Mapping[str, Mapping[str, Effect]]) -> Styler:
    """Good less bad in each group of `differences`, one row per probe; p stays corrected for all rows of its group."""
    effects = {
        (group, label.removesuffix(f": {GOOD_BAD}")): each
        for group, of_pairs in by_group.items()
        for label, each in of_pairs.items()
        if label.endswith(GOOD_BAD)
    }
    caption = "Good less bad subnetworks in points of accuracy, mean over layers. p is corrected (Holm) for all pairs."
    return effect_table(effects, caption, "probes", ("where", "probe"))


def in_points(effects: Mapping[str, Effect], label: str) -> str:
    """One difference without its interval, such as "+4.7 points"."""
    return f"{effects[label].mean:+.1f} points".replace("-", "−") if label in effects else "not run"
