"""How far do results of one device and another lie apart? The same cells of the demo on each, against this CPU's.

The other devices are this CPU told to use more threads, or held to older instructions, as an older processor would
compute, and a GPU where one is. Each computes twice: from fine-tuned weights that the first device made, and everything
anew. Exit code 1 where logits from the same weights differ by more than the tolerance.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import common
import numpy as np

TOLERANCE = 1e-3  # of a logit, from the same weights: what `book/run.md` states
TASKS = ("cola", "rte")
STAGES = ("finetune", "search", "control", "score")
OLDER = {
    "this CPU as one with AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
    "this CPU as one with SSE4.1": {
        "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
}  # fmt: skip
CPU = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def devices() -> dict[str, dict[str, str]]:
    """Name to environment of each device; the first is what the others are compared with."""
    import torch

    found = {"this CPU, one thread": CPU, "the same again": CPU, "OMP_NUM_THREADS=2": CPU | {"OMP_NUM_THREADS": "2"}}
    found |= {name: CPU | changes for name, changes in OLDER.items()}
    if torch.cuda.is_available():
        found[torch.cuda.get_device_name()] = {"OMP_NUM_THREADS": "1"}
    return found


def settings(tiny: bool) -> dict:
    """Overrides of the demo: full precision, which every device has."""
    less = {"train_limit": 64, "dev_limit": 40, "epochs": 1, "min_steps": 0, "threshold": 0.5}
    return {"precision": "fp32", "tasks": list(TASKS[-1:] if tiny else TASKS), "seeds": [42], **(less if tiny else {})}


def compute(folder: str, overrides: str) -> None:
    """Fine-tune, search and score into `folder`, in this process; then predict with the weights there are."""
    from safetensors.numpy import save_file
    from safetensors.torch import load_file

    from lottery_utils.experiment import loaded
    from lottery_utils.experiment.study import open_study
    from lottery_utils.training.device import pick_device
    from lottery_utils.training.evaluate import predict

    study = open_study("demo", None, None, overrides, folder)
    summary = study.run(STAGES, engine="serial", progress=False)
    if not summary.ok:
        raise SystemExit(str(summary))
    logits = {}
    for cell in study.cells(["finetune"]):
        model = loaded.classifier(study.preset, cell.task, cell.seed)
        model.load_state_dict(load_file(study.store.checkpoint(study.address(cell))))
        dev = loaded.examples(study.preset, cell.task, "").dev
        logits[cell.task] = predict(model.to(pick_device()).eval(), dev, "fp32")
    save_file(logits, Path(folder, "forward.safetensors"))


def elsewhere(folder: Path, environment: dict[str, str], overrides: dict) -> None:
    """`compute` in a process of its own, on another device."""
    paths = os.pathsep.join([str(common.ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(Path(__file__).resolve()), "--compute", str(folder), json.dumps(overrides)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": paths, **environment}, check=True)


def compare(first: Path, other: Path, overrides: dict) -> dict[str, float]:
    """Greatest differences of logits and scores (points), least Jaccard index of two masks, share of equal records."""
    from safetensors.numpy import load_file

    from lottery_utils.experiment.study import open_study

    one, two = (open_study("demo", None, None, overrides, folder) for folder in (first, other))
    logits = [load_file(folder / "forward.safetensors") for folder in (first, other)]
    scores, masks, same = [0.0], [1.0], []
    for cell in one.cells(STAGES):
        a, b = one.record(cell), two.record(cell)
        same.append(a["score"] == b["score"] and a["files"] == b["files"])
        if a["score"] is not None and b["score"] is not None:
            scores.append(100 * abs(a["score"] - b["score"]))
        if cell.stage == "search":
            kept = [flat(study.mask(cell)) for study in (one, two)]
            masks.append((kept[0] & kept[1]).sum() / max(1, (kept[0] | kept[1]).sum()))
    return {
        "logits differ by": max(float(np.abs(logits[0][task] - logits[1][task]).max()) for task in logits[0]),
        "scores differ by, points": max(scores),
        "masks alike, Jaccard": float(min(masks)),
        "records equal": f"{sum(same)} of {len(same)}",
    }


def flat(mask) -> np.ndarray:
    """All entries of a mask, bool, end to end."""
    parts = [mask.heads, mask.mlps] if hasattr(mask, "heads") else [mask.weights[name] for name in sorted(mask.weights)]
    return np.concatenate([np.asarray(part).ravel() for part in parts]).astype(bool)


def main() -> int:
    """Compute on every device, print, append; 1 where the tolerance is not kept."""
    options = common.arguments(__doc__)
    overrides, rows, largest = settings(options.tiny), [], 0.0
    with tempfile.TemporaryDirectory() as root:
        first = None
        for number, (name, environment) in enumerate(devices().items()):
            anew, given = Path(root, f"anew{number}"), Path(root, f"given{number}")
            elsewhere(anew, environment, overrides)
            if first is None:
                first = anew
                continue
            given.mkdir()
            for trained in first.glob("*-finetune-*"):
                shutil.copytree(trained, given / trained.name)
            elsewhere(given, environment, overrides)
            for what, folder in (("the same fine-tuned weights", given), ("everything anew", anew)):
                rows.append({"device": name, "from": what, **compare(first, folder, overrides)})
                print(rows[-1], flush=True)
            largest = max(largest, rows[-2]["logits differ by"])
    common.report(
        options,
        "devices",
        largest,
        TOLERANCE,
        "of a logit",
        ratio=TOLERANCE / largest if largest else 1e9,
        what="the greatest difference of a logit between devices, same weights",
        than="the tolerance",
        note="compared with this CPU on one thread: fine-tuning, both searches and scores of pruned subnetworks, "
        f"{' and '.join(overrides['tasks'])} of the demo, fp32",
        rows=rows,
    )
    return int(largest > TOLERANCE)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compute"]:
        compute(*sys.argv[2:])
    else:
        sys.exit(main())
