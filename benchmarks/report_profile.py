"""Where does the time of `make report` go? From what a report of the demo left behind, or one run here with --run.

Cells say in their records when they began and ended and how long each of their steps took; papermill notes the times
of each chapter; the first page of the book is written last. The results must come from one run on an empty store.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import common

GOAL = {3: 600.0, 5: 1200.0}  # seconds, by seeds
AT_ONCE = 30.0  # seconds: the first chapter begins at most so long after the last cell, in one run
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--from-results", type=Path, metavar="DIR", help="results of a report made before")
parser.add_argument("--from-out", type=Path, metavar="DIR", help="what that report was built in (its --out)")
parser.add_argument("--seconds", type=float, help="what that report took in all, where a clock was beside it")
parser.add_argument("--run", action="store_true", help="make the report now, on an empty store (10 to 20 minutes)")


def instant(text: str) -> float:
    """Seconds since 1970 of an ISO time."""
    return datetime.datetime.fromisoformat(text).timestamp()


def cell_rows(records: list[dict]) -> list[dict]:
    """One row per stage and method, the longest first: cells, and the seconds of each kind of step in them."""
    groups: dict[str, list[dict]] = defaultdict(list)
    for record in records:
        cell = record["cell"]
        what = cell["subnetwork"] if cell["stage"] == "baseline" else cell["method"]
        groups[f"{cell['stage']} {what}".strip()].append(record)
    rows = []
    for name, group in groups.items():
        steps = defaultdict(float)
        for record in group:
            for step, seconds in record["stages_seconds"].items():
                steps[step] += seconds
        total = sum(record["seconds"] for record in group)
        longest = sorted(steps, key=steps.get, reverse=True)[:3]
        told = ", ".join(f"{step} {steps[step]:.0f} s" for step in longest if steps[step] >= 0.5)
        rows.append({"part": name, "cells": len(group), "seconds": total, "most of it": told})
    return sorted(rows, key=lambda row: -row["seconds"])


def chapter_times(out: Path) -> list[tuple[str, float, float]]:
    """(chapter, begin, end) of each one that was run."""
    found = []
    for path in sorted((out / "book" / "chapters").glob("*.ipynb")):
        about = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("papermill")
        if about and about.get("end_time"):
            found.append((path.stem, instant(about["start_time"]), instant(about["end_time"])))
    return found


def profile(results: Path, out: Path, seconds: float | None) -> tuple[float, list[dict], dict]:
    """Seconds in all, the table, and facts about the run; raises SystemExit where the parts are not of one run."""
    from lottery_utils.experiment.store import Store

    records, chapters = list(Store(results).records()), chapter_times(out)
    page = out / "book" / "_build" / "html" / "index.html"
    if not records or not chapters or not page.is_file():
        raise SystemExit(f"{results} and {out} do not hold the results, chapters and book of a finished report")
    began, ended = (pick(instant(r[key]) for r in records) for pick, key in ((min, "started"), (max, "ended")))
    shown, done = min(begin for _, begin, _ in chapters), max(end for _, _, end in chapters)
    built = page.stat().st_mtime
    if not began < ended <= shown + 1 <= done <= built + 1:
        raise SystemExit(f"the parts in {results} and {out} are not of one run on an empty store")
    if shown > ended + AT_ONCE or (seconds and built - began > seconds + 1):
        raise SystemExit(
            f"{out} was made again, {shown - ended:.0f} s after the last cell of {results}: not of one run"
        )
    total = seconds or built - began
    rows = [{"part": "start: environment looked at, plan, workers", "cells": "–", "seconds": total - (built - began),
             "most of it": ""}] if seconds else []  # fmt: skip
    rows += [
        {"part": "cells, by the clock", "cells": len(records), "seconds": ended - began, "most of it": ""},
        {"part": "chapters, by the clock", "cells": len(chapters), "seconds": done - ended, "most of it": ""},
        {"part": "book, by the clock", "cells": "–", "seconds": built - done, "most of it": ""},
        *cell_rows(records),
    ]
    rows += [
        {"part": f"chapter {name}", "cells": "–", "seconds": end - begin, "most of it": ""}
        for name, begin, end in sorted(chapters, key=lambda chapter: chapter[1] - chapter[2])
    ]
    busy = sum(record["seconds"] for record in records) / (ended - began)
    seeds = {record["cell"]["seed"] for record in records if record["cell"]["subnetwork"] not in ("majority",)} - {0}
    facts = {"cells": len(records), "busy": busy, "seeds": len(seeds), "day": max(r["ended"] for r in records)[:10]}
    return total, rows, facts


def run(folder: Path) -> float:
    """Make the demo's report below `folder`; seconds."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "lottery_utils.cli", "report", "--quiet"]
    command += ["--results", str(folder / "results"), "--out", str(folder / "out")]
    subprocess.run(command, cwd=common.ROOT, check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Measure or read, print, append."""
    options = common.arguments(__doc__, parser=parser)
    if not options.run and not (options.from_results and options.from_out):
        print("skipped: the report's profile needs --run, or --from-results and --from-out of a report made before")
        return
    with tempfile.TemporaryDirectory() as folder:
        results, out = options.from_results or Path(folder, "results"), options.from_out or Path(folder, "out")
        seconds = run(Path(folder)) if options.run else options.seconds
        total, rows, facts = profile(results, out, seconds)
    goal = GOAL.get(facts["seeds"], 600.0 * facts["seeds"] / 3)
    common.report(
        options,
        "report-demo-seconds",
        total,
        goal,
        "s",
        what=f"the report of the demo from an empty store: {facts['cells']} cells, {facts['seeds']} seeds, "
        f"{os.cpu_count()} cores",
        than="the goal",
        note=f"{facts['busy']:.2f} workers were busy on average while cells were computed; run on {facts['day']}. Rows "
        "of stages and chapters add up the time in all workers",
        rows=rows,
    )


if __name__ == "__main__":
    main()
