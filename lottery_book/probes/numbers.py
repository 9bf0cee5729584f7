"""Differences between probed networks in points of accuracy, and the chapter's table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.show.stats import Effect, corrected, paired_effects
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import dressed

from ..loss_surface.frames import with_every
from ..loss_surface.names import ORDERED, SUBNETWORKS
from .figures import probed_name
from .frames import PROBED
from .tokens import PROBES

POINTS = 100  # of accuracy from 0 to 1


def differences(
    layers: pd.DataFrame, method: str, how: str, value: str = "linguistic", probes: tuple[str, ...] = PROBES
) -> dict[str, Effect]:
    """Between good, random and bad subnetworks treated as `how` says, in points, by label as "depth: good − bad".

    `layers` as from `frames.over_layers`, `value` one of its columns. p is corrected (Holm) for all that are returned.
    """
    pairs = {f"{a} − {b}": (f"{a}.{how}", f"{b}.{how}") for a, b in ORDERED}
    return _paired(layers, method, pairs, value, probes)


def against_full(layers: pd.DataFrame, method: str) -> dict[str, Effect]:
    """The full model against the pre-trained one, retrained subnetworks against the full model; as `differences`."""
    pairs = {"full − pre-trained": ("full", "pretrained")}
    pairs |= {f"{name} retrained − full": (f"{name}.retrained", "full") for name in SUBNETWORKS}
    return _paired(layers, method, pairs, "linguistic", PROBES)


def _paired(
    layers: pd.DataFrame, method: str, pairs: Mapping[str, tuple[str, str]], value: str, probes: tuple[str, ...]
) -> dict[str, Effect]:
    rows = layers[layers["method"] == method]
    rows = rows.assign(points=POINTS * rows[value])
    effects = {}
    for probe in probes:
        named = {f"{probe}: {label}": pair for label, pair in pairs.items()}
        effects |= paired_effects(rows[rows["probe"] == probe], "points", named)
    return corrected(effects)


def in_points(effects: Mapping[str, Effect], label: str) -> str:
    """One difference without its interval, such as "+4.7 points"."""
    return f"{effects[label].mean:+.1f} points".replace("-", "−") if label in effects else "not run"


def probe_table(layers: pd.DataFrame, floors: pd.DataFrame, method: str, name: str) -> Styler:
    """Accuracy in per cent, and in brackets selectivity, of each network and probe: mean over layers, tasks, seeds."""
    rows = with_every(layers[layers["method"] == method])
    means = rows.groupby(["network", "probe", "task"])[["linguistic", "selectivity"]].mean()
    means = means.groupby(["network", "probe"]).mean()
    shown = [
        {"network": probed_name(network)} | {probe: _accuracy(*means.loc[network, probe]) for probe in PROBES}
        for network in PROBED
        if network in means.index
    ]
    for label, column in (("most frequent label", "majority"), ("each word's label", "word")):
        lows = {row["probe"]: (row[column], row[column] - row[f"control_{column}"]) for _, row in floors.iterrows()}
        shown.append({"network": label} | {probe: _accuracy(*low) for probe, low in lows.items()})
    caption = (
        f"Test accuracy of linear probes in per cent and, in brackets, selectivity; {METHOD_NAMES[method]}, mean over "
        f"layers above the embeddings, over {rows['task'].nunique()} tasks and their seeds."
    )
    return dressed(pd.DataFrame(shown, columns=["network", *PROBES]), caption, name)


def _accuracy(accuracy: float, selectivity: float) -> str:
    return f"{POINTS * accuracy:.1f} ({POINTS * selectivity:+.0f})".replace("-", "−")
