"""A small release in the layout of the authors' repository, with the oddities that real ones have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

GLUE = ("CoLA", "MNLI", "MRPC", "QNLI", "QQP", "RTE", "SST-2", "STS-B", "WNLI")
SEEDS = (1337, 42, 86, 71, 166)
JOINT = ("heads_mlps", "heads_mlps_super", "heads_mlps_on_train", "heads_mlps_new")


def make_release(root: Path, seed: int = 0) -> Path:
    """Masks of nine tasks and five seeds for six families, HANS's tasks, results and power logs; nothing damaged.

    WNLI's joint masks are empty but for one full head mask; STS-B's MLP masks differ but in one pair.
    """
    rng = np.random.default_rng(seed)
    for family in ("heads", "mlps", *JOINT):
        for task in GLUE:
            for number in SEEDS:
                heads, mlps = rng.random((12, 12)) < 0.7, rng.random(12) < 0.6
                if task == "WNLI" and family == "heads_mlps":
                    heads, mlps = np.full((12, 12), number == 86), np.zeros(12, bool)
                if task == "STS-B" and family == "heads_mlps" and number in (42, 86):
                    mlps = np.arange(12) < 5
                if task == "RTE":
                    heads[3] = False  # a layer without heads
                folder = root / "masks" / family / task / f"seed_{number}"
                folder.mkdir(parents=True)
                if family != "mlps":
                    np.save(folder / "head_mask.npy", heads.astype(np.float32 if seed else np.float64))
                    np.save(folder / "head_importance.npy", rng.random((12, 12), np.float32))
                if family != "heads":
                    np.save(folder / "mlp_mask.npy", mlps.astype(np.float32))
    for task in ("HANS", "MNLI_TWO"):
        for number in SEEDS:
            folder = root / "masks" / "heads_mlps_hans" / task / f"seed_{number}"
            folder.mkdir(parents=True)
            np.save(folder / "head_mask.npy", (rng.random((12, 12)) < 0.5).astype(np.float32))
            np.save(folder / "mlp_mask.npy", (rng.random(12) < 0.5).astype(np.float32))
    for setting in ("no_mask/baseline", "head_mlp_hans/finetuned/baseline", "freq_baseline"):
        folder = root / "evaluate_masked" / setting
        folder.mkdir(parents=True)
        scores = {task: {"acc": [float(rng.random()), 0.01], "f1": [0.5, 0]} for task in GLUE}
        (folder / "results.json").write_text(json.dumps(scores), encoding="utf-8")
    three = [(100.0, 250.0, 15.0), (160.0, 300.0, 10.0), (200.0, 200.0, 20.0)]
    write_log(root / "masks/heads_mlps/CoLA/seed_42", three)
    write_log(root / "masks/heads_mlps/RTE/seed_86", [(5.0, 250.0, 15.0)])
    return root


def write_log(folder: Path, samples: list[tuple[float, float, float]]) -> None:
    """A power log of (timestamp, watts of the GPU, watts of the CPU), one JSON object a line."""
    names = "timestamp", "nvidia_estimated_attributable_power_draw", "rapl_estimated_attributable_power_draw"
    (folder / "impacttracker").mkdir()
    lines = [json.dumps(dict(zip(names, sample))) for sample in samples]
    (folder / "impacttracker" / "data.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
