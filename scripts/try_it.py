"""Run the commands of the chapters' "Try it" tables, each in its turn, and write down seconds and what came out.

    python scripts/try_it.py tried.jsonl [NAME ...]

Start it in a clean clone, on a machine with nothing else to do: each chapter begins without `try` and `results`, which
it removes. NAME is the beginning of a notebook's name; with none it is all of them. Commands of the presets `base` and
`paper` are left out, as they take hours, and so are those with a file that is not here (FILE.conllu,
my_scores.py, bert-experiments). A line of the output is one command: notebook, command, what the table says of it,
seconds, exit status, scores and shares of the cells that it stored, commit and date. A command that the file has already
is not run again.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from lottery_utils.experiment.store import Store
from lottery_utils.experiment.tables import results_table

ROW = re.compile(r"^# \| `((?:lottery|papermill)[^`]*)` \| ([^|]*) \| (.*) \|$", re.MULTILINE)
LONG = ("--preset base", "preset paper")
NOT_HERE = ("FILE.conllu", "my_scores.py", "bert-experiments", "heuristics_evaluation_set.txt")
SAID = ["stage", "method", "subnetwork", "seed", "score", "majority", "share_heads", "share_mlps", "share_prunable"]


def stored(folder: Path) -> set[str]:
    """Addresses of the cells in `folder`."""
    return set(Store(folder).addresses())


def outcome(folder: Path, before: set[str]) -> list[dict]:
    """What records say of the cells that came to `folder` since it held `before`."""
    records = [record for record in Store(folder).records() if record["address"] not in before]
    return json.loads(results_table(records)[SAID].round(3).to_json(orient="records"))


def tried(notebook: Path, command: str, said: str, commit: str) -> dict:
    """Run one command and say how it went."""
    folder = Path("try" if "--results try" in command else "results")
    before, start = stored(folder), time.perf_counter()
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    seconds = round(time.perf_counter() - start, 1)
    row = {"notebook": notebook.stem, "command": command, "said": said.strip(), "seconds": seconds}
    row |= {"status": done.returncode, "cells": outcome(folder, before), "commit": commit}
    row |= {"date": f"{datetime.now(UTC):%Y-%m-%d}", "error": done.stderr[-500:] if done.returncode else ""}
    print(f"{seconds:7.1f} s, status {done.returncode}: {command}", flush=True)
    return row


def main(target: str, *names: str) -> None:
    """Try what `names` begin, or everything, and append it to `target`."""
    path = Path(target)
    done = {json.loads(line)["command"] for line in path.read_text().splitlines()} if path.exists() else set()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    for notebook in sorted(Path("notebooks").glob("*.py")):
        if names and not notebook.name.startswith(names):
            continue
        for folder in ("try", "results", "tables"):
            shutil.rmtree(folder, ignore_errors=True)
        for command, said, _ in ROW.findall(notebook.read_text(encoding="utf-8")):
            if any(part in command for part in LONG) or command in done:
                continue
            if any(part in command and not Path(part).exists() for part in NOT_HERE):
                continue
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(tried(notebook, command, said, commit)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
