"""Make the records of chapters 17 and 18 anew: python scripts/records.py FOLDER QUESTION [PRESET [KEY=VALUE ...]].

FOLDER is a results folder; fine-tuned models that lie there are used. QUESTION is one of the lists below; the run
can be stopped and started again. Values are JSON or bare text, as with `lottery run --set`. Chapter 17 was made by
"sums", "exact", "running", "released", "retrained", "batched", "batches" and "shuffled" (demo and laptop), the demo's
from "running" on with two seeds; chapter 18 by "halves_s" and "held_out_s" (demo with two seeds, laptop). The laptop's
runs had precision=bf16 and 'tasks=["cola","mrpc","stsb"]'. The other questions go on from there.
"""

from __future__ import annotations

import json
import sys

from lottery_utils.errors import UserError
from lottery_utils.experiment.study import open_study

RUNNING = {"importance": "running"}
SCORED = (["score"], ["structured"], ["good", "bad"])
RETRAINED = (["retrain"], ["structured"], ["good", "bad"])
HELD = {"held_out": 1.0}
QUESTIONS = {  # name: (changed settings, (stages, methods, subnetworks)), in the order in which they are run
    "sums": [({}, (["importance"], ["structured"], ["good"]))],
    "exact": [({}, SCORED)],
    "running": [(RUNNING, SCORED)],
    "released": [({"importance": "released"}, SCORED)],
    "batched": [({"importance": "batched"}, SCORED)],
    "shuffled": [({**RUNNING, "importance_order": 1}, SCORED)],
    "batches": [
        ({**RUNNING, "importance_batch": 8}, SCORED),
        ({**RUNNING, "importance_batch": 32}, SCORED),
        ({**RUNNING, "importance_batch": 1}, SCORED),
    ],
    "retrained": [({}, RETRAINED), (RUNNING, RETRAINED)],
    "halves": [
        ({"selection": "half"}, (["score"], ["structured", "magnitude"], ["good"])),
        ({"selection": "other_half"}, (["score"], ["structured", "magnitude"], ["good"])),
    ],
    "held_out": [
        (HELD, (["score"], ["structured", "magnitude"], ["good", "random", "bad"])),
        ({**HELD, "selection": "held_out"}, (["score"], ["structured", "magnitude"], ["good", "random", "bad"])),
    ],
    "halves_s": [
        ({"selection": "half"}, (["score"], ["structured"], ["good"])),
        ({"selection": "other_half"}, (["score"], ["structured"], ["good"])),
    ],
    "held_out_s": [
        (HELD, (["score"], ["structured"], ["good", "random", "bad"])),
        ({**HELD, "selection": "held_out"}, (["score"], ["structured"], ["good", "random", "bad"])),
    ],
}


def main(folder: str = "", question: str = "", preset: str = "demo", *changes: str) -> int:
    """Compute what `question` needs, in one process; 1 where a cell failed, 2 for bad input."""
    if not folder or question not in QUESTIONS:
        print(f"expected FOLDER QUESTION [PRESET [KEY=VALUE ...]]; questions: {', '.join(QUESTIONS)}", file=sys.stderr)
        return 2
    overrides = {}
    for change in changes:
        name, _, value = change.partition("=")
        try:
            overrides[name] = json.loads(value)
        except ValueError:
            overrides[name] = value
    fine = True
    for settings, (stages, methods, subnetworks) in QUESTIONS[question]:
        try:
            study = open_study(preset, None, None, {**overrides, **settings}, folder)
        except UserError as error:
            print(f"records: error: {error}", file=sys.stderr)
            return 2
        summary = study.run(stages, methods, subnetworks, engine="serial", progress=False)
        print(settings, summary, *summary.failed.values(), flush=True)
        fine = fine and summary.ok
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
