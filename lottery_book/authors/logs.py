"""Scores and power logs of the release: every results.json, every impacttracker/data.json."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

from .release import MASKS, RESULTS, SEED_FOLDER, Release

RESULT_COLUMNS = ("setting", "task", "metric", "mean", "std_pop")
FOOTPRINT_COLUMNS = ("setting", "task", "seed", "seconds", "gpu_kwh", "cpu_kwh")
GPU, CPU = "nvidia_estimated_attributable_power_draw", "rapl_estimated_attributable_power_draw"  # watts
LONGEST = 256 << 20  # bytes of a log or a results file
UNKNOWN = (
    "The start of each run is kept in a pickle that is not opened, so the time before a log's first sample is not "
    "counted, and a log with one sample has no duration (empty cells).",
    "Samples come every 12 to 60 s: what a run did after the last one is not counted either.",
    "Watts are the tracker's estimate of the run's own share of a machine with several jobs; cooling is not included.",
    "Fine-tuning and retraining were tracked in folders that are not released: this is not the whole paper.",
)


def results(release: Release) -> pd.DataFrame:
    """Mean and population deviation (as stored) of every metric in every results.json.

    `setting` is the folder below evaluate_masked/, without a last folder "baseline"; elsewhere the folder below
    the release's root.
    """
    rows = []
    for path in release.files:
        if path.name == "results.json":
            rows += [(setting_of(release, path.parent), *row) for row in _read_results(release, path)]
    frame = pd.DataFrame(rows, columns=list(RESULT_COLUMNS))
    return frame.sort_values(["setting", "task", "metric"], ignore_index=True)


def footprint(release: Release) -> pd.DataFrame:
    """Seconds and energy of each tracked run, from the samples of its data.json; `UNKNOWN` says what is not in it.

    Seconds go from the first to the last sample. Energy is the sum over the intervals of their length times the
    power reported at their end, as experiment-impact-tracker does; the watts are those attributed to the run.
    `setting` is the family for mask searches, else as in `results`, where task and seed are empty.
    """
    rows = []
    for path in release.files:
        if path.name == "data.json" and path.parent.name == "impacttracker":
            rows.append((*_run_of(release, path.parent.parent), *_read_log(release, path)))
    frame = pd.DataFrame(rows, columns=list(FOOTPRINT_COLUMNS)).astype({"seed": "Int64"})
    return frame.sort_values(["setting", "task", "seed"], ignore_index=True, na_position="first")


def setting_of(release: Release, folder: Path) -> str:
    """The name of a results folder: its path below evaluate_masked/, or below the root."""
    place = folder.relative_to(release.root)
    if place.parts[:1] == (RESULTS,):
        place = place.relative_to(RESULTS)
    return (place.parent if place.name == "baseline" and len(place.parts) > 1 else place).as_posix()


def _read_results(release: Release, path: Path) -> list[tuple]:
    note = release.problems.add
    try:
        content = json.loads(_text(path))
        tasks = [(task, metrics.items()) for task, metrics in content.items()]
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        note(path, "damaged", f"expected {{task: {{metric: [mean, std]}}}}: {error}")
        return []
    rows = []
    for task, metrics in tasks:
        for metric, values in metrics:
            if isinstance(values, list) and len(values) == 2 and all(map(_is_number, values)):
                rows.append((task, metric, float(values[0]), float(values[1])))
            else:
                note(path, "damaged", f"{task} {metric}: expected [mean, std], got {values!r}")
    return rows


def _read_log(release: Release, path: Path) -> tuple[float, float, float]:
    note, samples = release.problems.add, []
    try:
        lines = _text(path).splitlines()
    except (OSError, ValueError) as error:
        note(path, "damaged", error)
        return np.nan, np.nan, np.nan
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            sample = json.loads(line)
            values = [sample[name] for name in ("timestamp", GPU, CPU)]
            if not all(map(_is_number, values)):
                raise ValueError("a value is no number")
            samples.append(values)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            note(path, "damaged", f"line {number} left out: {error}")
    if len(samples) < 2:
        note(path, "left out", f"{len(samples)} sample(s): no duration, no energy")
        return np.nan, np.nan, np.nan
    time, gpu, cpu = np.array(sorted(samples)).T
    hours = np.diff(time) / 3600
    return float(time[-1] - time[0]), float(hours @ gpu[1:] / 1000), float(hours @ cpu[1:] / 1000)


def _run_of(release: Release, folder: Path) -> tuple:
    """Setting, task and seed of a tracked run's folder."""
    place = folder.relative_to(release.root).parts
    seed = SEED_FOLDER.fullmatch(place[-1]) if place else None
    if seed and len(place) >= 3:
        family = place[1:-2] if place[0] == MASKS else place[:-2]
        return "/".join(family), place[-2], int(seed[1])
    return setting_of(release, folder), None, pd.NA


def _text(path: Path) -> str:
    if path.stat().st_size > LONGEST:
        raise ValueError(f"{path.stat().st_size} bytes is too long for such a file")
    return path.read_text(encoding="utf-8")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
