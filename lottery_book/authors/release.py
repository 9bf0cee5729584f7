"""The authors' release: its masks, scores and power logs, read whole or not at all; no pickle is ever opened."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lottery_utils.errors import UserError

LAYERS, HEADS = 12, 12  # bert-base, the only model of the release
SHAPES = {"head": (LAYERS, HEADS), "mlp": (LAYERS,)}
SEEDS = (42, 71, 86, 166, 1337)
GLUE = ("CoLA", "MNLI", "MRPC", "QNLI", "QQP", "RTE", "SST-2", "STS-B", "WNLI")  # as the release names its folders
MASKS, RESULTS = "masks", "evaluate_masked"
GPU, CPU = "nvidia_estimated_attributable_power_draw", "rapl_estimated_attributable_power_draw"  # watts
AGAIN = "clone sai-prasanna/bert-experiments anew"


class Masks(dict[tuple[str, str, str], np.ndarray]):
    """Masks by family, task and component; raises UserError for those that a clone lacks."""

    def __missing__(self, key: tuple[str, str, str]) -> np.ndarray:
        raise UserError(f"the clone has no masks of {'/'.join(key)}; {AGAIN}")


@dataclass(frozen=True)
class Release:
    """A release: `masks[family, task, component]` is bool, (5, 144) for "head", (5, 12) for "mlp"; seeds as `SEEDS`."""

    root: Path
    masks: Masks

    def tasks(self, family: str) -> list[str]:
        """The task folders of a family, sorted."""
        return sorted({task for name, task, _ in self.masks if name == family})


def read_release(folder: str | Path) -> Release:
    """Read every mask of the clone in `folder`.

    Raises UserError when that is none, and for the first mask that is missing or damaged.
    """
    root = Path(folder)
    if not all((root / part).is_dir() for part in (MASKS, RESULTS)):
        raise UserError(f"{root} has no folders {MASKS}/ and {RESULTS}/; give a clone of sai-prasanna/bert-experiments")
    masks = Masks()
    for family in sorted(path for path in (root / MASKS).iterdir() if path.is_dir()):
        folders = {path.name for path in family.iterdir() if path.is_dir()}
        for task in sorted(folders | set(GLUE) if folders & set(GLUE) else folders):
            for component in SHAPES:
                paths = [family / task / f"seed_{seed}" / f"{component}_mask.npy" for seed in SEEDS]
                if any(family.glob(f"*/*/{component}_mask.npy")):  # families of one kind have no masks of the other
                    masks[family.name, task, component] = np.stack([_mask(path, component) for path in paths])
    return Release(root, masks)


def _mask(path: Path, component: str) -> np.ndarray:
    """One mask, flat."""
    if not path.is_file():
        raise UserError(f"{path} is missing; {AGAIN}")
    try:
        array = np.load(path, allow_pickle=False)
        if array.shape != SHAPES[component] or not np.isin(array, (0, 1)).all():
            raise ValueError(f"its shape is {array.shape}")
    except Exception as error:  # a damaged header can raise nearly anything
        raise UserError(f"{path} is damaged, expected {SHAPES[component]} of 0 and 1 ({error}); {AGAIN}") from None
    return array.astype(bool).ravel()


def results(release: Release) -> pd.DataFrame:
    """Mean and population deviation (as stored) of every metric in every results.json: RESULTS below evaluate_masked/.

    `setting` is the folder below evaluate_masked/, without a last folder "baseline".
    """
    rows = []
    for path in (release.root / RESULTS).rglob("results.json"):
        setting = path.parent.relative_to(release.root / RESULTS).as_posix().removesuffix("/baseline")
        try:
            for task, metrics in json.loads(path.read_text(encoding="utf-8")).items():
                rows += [(setting, task, metric, float(mean), float(std)) for metric, (mean, std) in metrics.items()]
        except (ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{path} is damaged, expected [mean, std] by task and metric ({error}); {AGAIN}") from None
    frame = pd.DataFrame(rows, columns=["setting", "task", "metric", "mean", "std_pop"])
    return frame.sort_values(["setting", "task", "metric"], ignore_index=True)


def footprint(release: Release) -> pd.DataFrame:
    """Seconds and energy of each tracked search: setting (the family), task, seed, seconds, gpu_kwh, cpu_kwh.

    Seconds go from the first to the last sample of the log. Energy is the sum over the intervals of their length times
    the power reported at their end, as experiment-impact-tracker does; watts are those it attributes to the run. Not
    counted is what came before the first and after the last sample (12 to 60 s apart), nor cooling, nor fine-tuning
    and retraining, whose logs are not released. A log with one sample has no duration: NaN.
    """
    rows = []
    for path in (release.root / MASKS).glob("*/*/seed_*/impacttracker/data.json"):
        family, task, seed = path.relative_to(release.root / MASKS).parts[:3]
        rows.append((family, task, int(seed.removeprefix("seed_")), *_read_log(path)))
    frame = pd.DataFrame(rows, columns=["setting", "task", "seed", "seconds", "gpu_kwh", "cpu_kwh"])
    return frame.sort_values(["setting", "task", "seed"], ignore_index=True)


def _read_log(path: Path) -> tuple[float, float, float]:
    try:
        samples = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        values = [[float(sample[name]) for name in ("timestamp", GPU, CPU)] for sample in samples]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); {AGAIN}") from None
    if len(values) < 2:
        return math.nan, math.nan, math.nan
    time, gpu, cpu = np.array(sorted(values)).T
    hours = np.diff(time) / 3600
    return float(time[-1] - time[0]), float(hours @ gpu[1:] / 1000), float(hours @ cpu[1:] / 1000)
