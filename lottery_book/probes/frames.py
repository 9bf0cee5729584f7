"""Linguistic probes: what the stored probe cells say, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lottery_utils.show.frames import Reading

from ..loss_surface.frames import SAME
from ..loss_surface.names import NETWORKS
from .tokens import MASKED, PROBES, UNTRAINED

PROBED = (*UNTRAINED, *MASKED, *NETWORKS)
ACCURACY = (*SAME, "network", "probe", "layer", "linguistic", "control", "selectivity", "hard")
FLOORS = ("probe", "majority", "word", "control_majority", "control_word", "train", "test", "hard")


def accuracies(found: list[Reading]) -> pd.DataFrame:
    """Test accuracies: columns `ACCURACY`, one row a network, probe and layer (0: the embeddings).

    `selectivity` is linguistic less control accuracy; `hard` is of the probe "number" alone, NaN elsewhere.
    """
    rows = []
    for one in found:
        for name in PROBED:
            values = one.arrays.get(f"accuracy.{name}")
            if values is None:
                continue
            hard = one.arrays.get(f"hard.{name}")
            for p, probe in enumerate(PROBES):
                for layer, (own, control) in enumerate(values[p].T):
                    difficult = float(hard[layer]) if probe == "number" and hard is not None else np.nan
                    rows.append((*one.same.values(), name, probe, layer, own, control, own - control, difficult))
    return pd.DataFrame(rows, columns=list(ACCURACY))


def over_layers(frame: pd.DataFrame) -> pd.DataFrame:
    """`accuracies`, mean over the layers above the embeddings: one row a network and probe."""
    keys = [*SAME, "network", "probe"]
    values = ["linguistic", "control", "selectivity", "hard"]
    return frame[frame["layer"] > 0].groupby(keys, sort=False)[values].mean().reset_index()


def floors(found: list[Reading]) -> pd.DataFrame:
    """What is reached without a network: columns `FLOORS`, one row a probe; the same for all cells of one setting.

    `word` answers with the most frequent label of each word in train sentences; train, test and hard are numbers of
    words.
    """
    if not found:
        return pd.DataFrame(columns=list(FLOORS))
    arrays = found[0].arrays
    frame = pd.DataFrame({"probe": PROBES})
    frame[["majority", "control_majority"]], frame[["word", "control_word"]] = arrays["majority"], arrays["word"]
    frame[["train", "test"]] = arrays["tokens"]
    return frame.assign(hard=[int(arrays["hard_tokens"][0]) if probe == "number" else 0 for probe in PROBES])
