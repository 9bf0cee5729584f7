"""Golden results: some cells of the demo's RTE as the code computed them when the file beside this one was made.

Run ``python tests/golden/make.py`` in the repository's folder after a change that alters results on purpose
(CONTRIBUTING says how such a change is made); it takes half a minute of one core and needs a CPU.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from lottery_utils.experiment.study import Study, open_study
from lottery_utils.pruning.masks import StructuredMask, WeightMask

FILE = Path(__file__).with_name("rte.safetensors")
TASK, SEED = "rte", 1337
ROWS = 32  # of the dev examples' logits
# With other vector instructions (none, AVX2, AVX-512), and beside records of five days and two rewritings of training
# before, a loss of the course of 128 steps moves by up to 5e-6 and a logit by 3e-4; structured masks and scores do not.
# A change that moves numbers by less than these tolerances is not seen.
TOLERANCES = {"loss": 5e-5, "logits": 2e-3, "head_importance": 2e-3}
TOLERANCES |= dict.fromkeys(("kept_of_matrices", "kept_of_rows"), 3)  # rounding may keep the next weight in order
TOLERANCES |= dict.fromkeys(("score", "target", "lead", "head_share", "mlp_share"), 0.005)  # 0.0033 is one example
ONE_WEIGHT = 0.05  # of logits under a mask of weights, for the same reason
FEW_STEPS = 1e-5  # of losses and logits after a dozen steps: rounding moves them by 5e-7
# few steps with dropout: draws that differ show at the first, and rounding has not grown yet
DROPOUT = {"dropout": 0.1, "epochs": 1, "min_steps": 0, "train_limit": 192, "dev_limit": 64}
# settings, and what is run under them: (stages, methods, subnetworks)
PARTS = {
    "structured": (
        {"threshold": 0.5},  # so that layers come down to few heads, where it matters over which ones norms are
        [
            (["control"], ["structured"], ["random", "random_layer", "bad"]),
            (["score", "retrain"], ["structured"], ["good"]),
        ],
    ),
    "magnitude": (
        {},
        [
            (["control"], ["magnitude"], ["random", "random_layer", "bad"]),
            (["score"], ["magnitude"], ["good"]),
        ],
    ),
    "dropout": (DROPOUT, [(["finetune"], None, None)]),
}
COURSE = ("loss", "score", "passed", "target", "lead", "kept", "head_share", "mlp_share", "head_importance")


def study_of(part: str, root: Path) -> Study:
    """The study of a part of the golden file, in the store `root`."""
    return open_study("demo", [TASK], [SEED], PARTS[part][0], root)


def computed(part: str, root: Path) -> dict[str, np.ndarray]:
    """Arrays of the cells of a part, by part, cell and name; what is not in the store `root` is computed into it."""
    study, arrays = study_of(part, root), {}
    for stages, methods, subnetworks in PARTS[part][1]:
        summary = study.run(stages, methods, subnetworks, engine="serial", progress=False)
        assert summary.ok, summary.failed
        for cell in study.cells(stages, methods, subnetworks):
            arrays |= {f"{part}/{cell.name}/{name}": value for name, value in of_cell(study, cell).items()}
    return arrays


def of_cell(study: Study, cell) -> dict[str, np.ndarray]:
    """What is compared of a stored cell: masks and counts exactly, and numbers to `TOLERANCES`.

    Of weights' masks it is how many are kept: of all, of each matrix, of each row of the first.
    """
    arrays = {name: value for name, value in (study.trajectory(cell) or {}).items() if name in COURSE}
    if (predictions := study.predictions(cell)) is not None:
        arrays["logits"] = predictions["logits"][:ROWS]
    if cell.stage in ("search", "control"):
        counts = study.record(cell)["counts"]
        arrays["counts"] = np.array([counts["weights"], counts["weights_total"]])
        arrays |= of_mask(study.mask(cell))
    return {name: np.ascontiguousarray(value) for name, value in arrays.items()}


def of_mask(mask: StructuredMask | WeightMask) -> dict[str, np.ndarray]:
    """Heads (L, H) and MLPs (L,) kept; of single weights their numbers, as the mask itself has one for each."""
    if isinstance(mask, StructuredMask):
        return {"heads": mask.heads, "mlps": mask.mlps}
    matrices = [mask.weights[name].numpy() for name in sorted(mask.weights)]
    rows = next(matrix for matrix in matrices if matrix.ndim == 2).sum(axis=1)
    return {"kept_of_matrices": np.array([matrix.sum() for matrix in matrices]), "kept_of_rows": rows}


def differences(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> list[str]:
    """What of `found` is not as `expected`, one line per array; empty when nothing differs beyond its tolerance."""
    lines = [f"{name} is in one of them only" for name in sorted(found.keys() ^ expected.keys())]
    for name in sorted(found.keys() & expected.keys()):
        one, other = found[name], expected[name]
        if one.shape != other.shape:
            lines.append(f"{name}: shape {one.shape}, expected {other.shape}")
        elif not np.allclose(one, other, rtol=0, atol=tolerance(name), equal_nan=True):
            distance = np.nanmax(np.abs(one.astype(float) - other.astype(float)))
            lines.append(f"{name}: up to {distance:.2g} from what is expected, tolerance {tolerance(name):g}")
    return lines


def tolerance(name: str) -> float:
    """How far numbers of an array may be from the expected ones; 0 for masks and counts."""
    part, quantity = name.split("/")[0], name.rpartition("/")[2]
    if part == "dropout" and quantity in TOLERANCES:
        return FEW_STEPS
    if "/magnitude/" in name and quantity == "logits":
        return ONE_WEIGHT
    return TOLERANCES.get(quantity, 0.0)


def golden(part: str) -> dict[str, np.ndarray]:
    """The expected arrays of a part."""
    return {name: value for name, value in load_file(FILE).items() if name.startswith(f"{part}/")}


def main() -> None:
    """Compute all parts in an empty store, say what differs from the file, and write it anew."""
    with tempfile.TemporaryDirectory() as root:
        found = {name: value for part in PARTS for name, value in computed(part, Path(root)).items()}
    before = load_file(FILE) if FILE.exists() else {}
    print("\n".join(differences(found, before)) or "nothing differs beyond its tolerance")
    save_file(found, FILE)
    print(f"{FILE.name}: {len(found)} arrays, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
