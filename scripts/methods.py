"""Make the records of chapter 13 anew: python scripts/methods.py FOLDER [PRESET [KEY=VALUE ...]].

Every curve under every way to rank, seed by seed, in one process. FOLDER is a results folder; fine-tuned models that
lie there are used. The run can be stopped and started again. Values are JSON or bare text, as with `lottery run --set`.
"""

from __future__ import annotations

import json
import sys

from lottery_book.method_comparison.frames import FIELDS
from lottery_utils.experiment.study import open_study
from lottery_utils.methods import METHODS


def main(folder: str, preset: str = "demo", *changes: str) -> int:
    """Compute what is missing; 1 where a cell failed."""
    overrides, fine = {}, True
    for change in changes:
        key, _, value = change.partition("=")
        try:
            overrides[key] = json.loads(value)
        except ValueError:
            overrides[key] = value
    asked = open_study(preset, None, None, overrides, folder).preset
    for seed in asked.seeds:
        for method in asked.methods:
            kind = FIELDS[method]
            for name in METHODS[kind]:
                study = open_study(preset, None, None, {**overrides, "seeds": [seed], kind: name}, folder)
                summary = study.run(["curve"], [method], engine="serial", progress=False)
                print(seed, f"{kind}={name}", summary, *summary.failed.values(), flush=True)
                fine = fine and summary.ok
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
