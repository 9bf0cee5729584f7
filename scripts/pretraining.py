"""Make the records of chapter 14 anew: python scripts/pretraining.py FOLDER [SEED ...] [METHOD ...].

Run it in the repository's folder. Each model of models/pretraining goes the whole path on the nine tasks of the demo,
of s-pruning, or of the methods named (structured, magnitude). All corpora get one seed before any gets the next, so
that records of a run that was stopped still compare; started again, it goes on.
"""

from __future__ import annotations

import sys

from lottery_book.pretraining.figures import WEIGHTS, models_in
from lottery_utils.experiment.study import open_study
from lottery_utils.presets import METHODS, PRESETS

STAGES = ["finetune", "search", "control", "score", "retrain"]


def main(folder: str = "", *words: str) -> int:
    """Compute what is missing in the results folder, in one process; 1 where a cell failed, 2 for bad input."""
    wrong = [word for word in words if word not in METHODS and not word.isdecimal()]
    if not folder or wrong:
        print(f"expected FOLDER [SEED ...] [METHOD ...], methods {', '.join(METHODS)}, got {wrong}", file=sys.stderr)
        return 2
    fine, methods = True, [word for word in words if word in METHODS] or ["structured"]
    for seed in [int(word) for word in words if word not in METHODS] or PRESETS["demo"].seeds:
        for model in models_in():
            study = open_study("demo", None, [seed], {"model": f"{WEIGHTS}/{model}"}, folder)
            summary = study.run(STAGES, methods, engine="serial", progress=False)
            print(seed, model, summary, *summary.failed.values(), flush=True)
            fine = fine and summary.ok
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
