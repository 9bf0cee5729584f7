"""A study of made-up records, written through the store: no model, no data, numbers that a rule below states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lottery_utils.experiment.cells import Cell, parse_cell, upstream
from lottery_utils.experiment.identity import PRESENT, Versions, address, inputs
from lottery_utils.experiment.store import TRAJECTORY, Store
from lottery_utils.experiment.study import Study, open_study
from lottery_utils.presets import METHODS
from lottery_utils.tasks.glue import TASKS

MODEL, DATA = "a" * 16, "b" * 16  # stand for fingerprints
PER_HEAD, PER_MLP, OTHER = 1000, 8000, 20_000
MAJORITY = {"cola": 0.0, "stsb": 0.0}
KEPT = {  # share of the full score, by method, subnetwork and whether it was retrained
    ("structured", "good"): (0.92, 0.98),
    ("structured", "random"): (0.70, 0.90),
    ("structured", "random_layer"): (0.75, 0.93),
    ("structured", "bad"): (0.55, 0.80),
    ("magnitude", "good"): (0.91, 1.00),
    ("magnitude", "random"): (0.50, 0.60),
    ("magnitude", "random_layer"): (0.60, 0.65),
    ("magnitude", "bad"): (0.50, 0.55),
}


def make_study(
    root: Path,
    tasks: tuple[str, ...] = ("cola", "mrpc", "wnli"),
    seeds: tuple[int, ...] = (1337, 42),
    layers: int = 4,
    heads: int = 6,
    degenerate: tuple[str, ...] = (),
    preset: str = "paper",
    leave_out: tuple[str, ...] = (),
    model: str = "nowhere-model",
    fingerprint: str = MODEL,
    versions: Versions = PRESENT,
) -> Study:
    """Store every cell of the study (but those whose name holds a text of `leave_out`) and return the study.

    The full model scores 0.8 plus a little by task and seed; `KEPT` says what subnetworks keep of it. The search
    of `degenerate` tasks is marked as not run. `versions` are those of the rules that made the records.
    """
    overrides = {"model": model, "data": "nowhere-data"}
    study = open_study(preset, tasks=list(tasks), seeds=list(seeds), overrides=overrides, results_dir=root)
    store = Store(root)
    store.prepare()
    for cell in study.cells():
        if not any(part in cell.name for part in leave_out):
            prints = (fingerprint, DATA, versions)
            _write(store, study.preset, cell, layers, heads, cell.task in degenerate, prints)
    return study


def plain_record(name: str = "sst2/1/finetune/full", score: float = 0.5) -> dict:
    """What a cell's record says, of no study and for tests of the store alone."""
    cell = parse_cell(name).as_dict()
    return {
        "name": name,
        "cell": cell,
        "inputs": {"protocol": 1, "cell": cell, "settings": {}, "upstream": []},
        **dict.fromkeys(("preset", "device", "command", "data_source", "started", "ended"), "made up"),
        **dict.fromkeys(("degenerate", "partial"), False),
        **dict.fromkeys(("score", "search_score"), score),
        **dict.fromkeys(("majority", "seconds"), 0.0),
        **{field: {} for field in ("metrics", "shares", "counts", "stages_seconds", "upstream", "versions")},
        "source": {"model": "made up", "data": "made up"},
        **dict.fromkeys(("data_notes", "notes"), []),
    }


def full_score(cell: Cell) -> float:
    """The made-up score of the full model of a cell's task and seed."""
    return 0.8 + 0.01 * list(TASKS).index(cell.task) + 0.002 * (cell.seed % 7)


def _write(
    store: Store, preset, cell: Cell, layers: int, heads: int, degenerate: bool, prints: tuple[str, str, Versions]
) -> None:
    task, key = TASKS[cell.task], address(cell, preset, *prints)
    least = MAJORITY.get(cell.task, 0.5)
    of_subnetwork = cell.stage in ("search", "control", "score", "retrain")
    score = _score(cell, least)
    course = _trajectory(cell, layers, heads, degenerate)
    record = {
        "protocol": 1,
        "cell": cell.as_dict(),
        "name": cell.name,
        "preset": preset.name,
        "inputs": inputs(cell, preset, *prints),
        "upstream": {c.name: address(c, preset, *prints) for c in upstream(cell, preset.seeds)},
        "source": {"model": preset.model, "data": "nowhere-data", "train_limit": None, "dev_limit": None},
        "metrics": {} if score is None else {name: score for name in task.metrics},
        "score": score,
        "search_score": score,
        "majority": least,
        **_size(cell, course, layers, heads),
        "degenerate": degenerate and of_subnetwork,
        "stages_seconds": {},
        "device": "made-up device",
        "threads": 1,
        "versions": {"python": "3.11", "torch": "2"},
        "commit": "0" * 40,
        "dirty": False,
        "command": "made up",
        "partial": cell.task == "wnli",
        "data_rows": {"train": task.train_size, "dev": task.dev_size},
        "data_source": "made up",
        "data_notes": ["partial: made up"] if cell.task == "wnli" else [],
        "notes": ["the full model does not beat the majority score"] if degenerate and of_subnetwork else [],
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:00:05+00:00",
        "seconds": 5.0,
    }
    files = {TRAJECTORY: lambda path: save_file(course, path)} if course else {}
    store.write(key, record, files)


def _score(cell: Cell, least: float) -> float | None:
    if cell.stage in ("search", "control"):
        return None
    if cell.stage == "finetune":
        return full_score(cell)
    if cell.stage == "baseline":
        return {"majority": least, "bag_of_words": least + 0.1, "random_init": least + 0.05}[cell.subnetwork]
    return full_score(cell) * KEPT[cell.method, cell.subnetwork][cell.stage == "retrain"]


def _trajectory(cell: Cell, layers: int, heads: int, degenerate: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([cell.seed, list(TASKS).index(cell.task), METHODS.index(cell.method or METHODS[0])])
    if cell.stage in ("finetune", "retrain") or cell.subnetwork == "random_init":
        steps = np.arange(60)
        return {"loss": 0.2 + np.exp(-steps / 15) + 0.05 * rng.standard_normal(60), "epochs": np.array([3])}
    if cell.stage != "search":
        return {}
    full = full_score(cell)
    course = [1, 0.99, 0.96, 0.93, 0.88, 0.92, 0.91, 0.85, 0.9, 0.8]  # share of the full score, step by step
    course = course[:1] if degenerate else course if cell.method == "structured" else course[:5]
    score, count = full * np.array(course), len(course)
    passed = np.array(course) >= 0.9
    order = rng.permutation(layers * heads)
    if cell.method == "structured":
        phase = np.array([0, 1, 1, 1, 1, 2, 2, 2, 3, 3])[:count]
        gone_heads = np.array([0, 2, 4, 6, 8, 7, 8, 9, 8, 8])[:count]
        gone_mlps = np.array([0, 0, 1, 1, 2, 1, 1, 1, 2, 3])[:count]
        kept_heads, kept_mlps = np.ones((count, layers * heads), bool), np.ones((count, layers), bool)
        for step in range(count):
            kept_heads[step, order[: gone_heads[step]]] = False
            kept_mlps[step, : gone_mlps[step]] = False
        return {
            "heads": kept_heads.reshape(count, layers, heads),
            "mlps": kept_mlps,
            "head_importance": rng.random((count, layers, heads)).astype(np.float32),
            "mlp_importance": rng.random((count, layers)).astype(np.float32),
            "score": score,
            "phase": phase,
            "passed": passed,
            "target": np.array([0.9 * full]),
        }
    share = 0.9 ** np.arange(count)
    spread = rng.uniform(0.9, 1.1, (count, layers, heads))
    return {
        "kept": (share * 1e5).astype(np.int64),
        "share": share,
        "score": score,
        "passed": passed,
        "target": np.array([0.9 * full]),
        "head_share": np.clip(share[:, None, None] * spread, 0, 1).astype(np.float32),
        "mlp_share": np.clip(share[:, None] * spread[:, :, 0], 0, 1).astype(np.float32),
    }


def _size(cell: Cell, course: dict[str, np.ndarray], layers: int, heads: int) -> dict[str, dict]:
    """Shares and counts as the stages give them; controls and scores repeat a fixed share."""
    total = layers * heads * PER_HEAD + layers * PER_MLP
    kept_heads, kept_mlps, gone = layers * heads, layers, 0
    if cell.method == "structured":
        kept_heads, kept_mlps = layers * heads // 2, layers - 1
        if cell.stage == "search":
            last = int(np.flatnonzero(course["passed"])[-1])
            kept_heads, kept_mlps = int(course["heads"][last].sum()), int(course["mlps"][last].sum())
        gone = (layers * heads - kept_heads) * PER_HEAD + (layers - kept_mlps) * PER_MLP
    elif cell.method == "magnitude":
        gone = round((1 - 0.9**3) * total)  # the magnitude search's last passing step
        kept_heads = kept_mlps = None
    elif cell.subnetwork in ("majority", "bag_of_words"):
        return {"shares": {}, "counts": {}}
    shares = {"heads": None, "mlps": None} if kept_heads is None else {
        "heads": kept_heads / (layers * heads), "mlps": kept_mlps / layers
    }
    counts = {"heads": kept_heads, "heads_total": layers * heads, "mlps": kept_mlps, "mlps_total": layers}
    counts |= {"weights": total - gone, "weights_total": total}
    counts |= {"parameters": total + OTHER - gone, "parameters_total": total + OTHER}
    return {"shares": {**shares, "prunable": 1 - gone / total, "all": 1 - gone / (total + OTHER)}, "counts": counts}
