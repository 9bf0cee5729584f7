"""Run the commands of the chapters' "Try it" tables, each in its turn, and make the page that says what came out.

    python scripts/try_it.py run benchmarks/tried.jsonl [NAME ...] [--stored DIR]
    python scripts/try_it.py page benchmarks/tried.jsonl book/tried.md

Start it in a clean clone, on a machine with nothing else to do: each chapter begins without `try`, `results` and
`tables`, which it removes; where the table says that the demo is stored, `results` is a copy of DIR, which holds its
cells. NAME is the beginning of a notebook's name; with none it is all of them. Left out are commands of the presets
`base` and `paper`, which take hours, and those with a file that is not here. A line of the output is one command:
notebook, command, seconds, exit status, what came out by the records that it stored, machine, commit and date. A
command that the file has already is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from lottery_utils.experiment.store import Store
from lottery_utils.experiment.tables import results_table

ROW = re.compile(r"^# \| `((?:lottery|papermill)[^`]*)` \| ([^|]*) \| (.*) \|$", re.MULTILINE)
LONG = ("--preset base --tasks", "preset paper")
NOT_HERE = ("FILE.conllu", "my_scores.py", "bert-experiments", "heuristics_evaluation_set.txt")
SAID = ["stage", "method", "subnetwork", "seed", "score", "share_heads", "share_mlps", "share_prunable"]
OPENING = """# What came out

Every chapter ends in commands to try. Here is what they took and what came out, measured by `scripts/try_it.py` on
{device} ({date}, commit {commit}). Each command of a chapter ran after those above it,
the first from an empty store, beside other work of the lowest priority. Scores are means over the seeds:
*a → b* is pruned and retrained, s is s-pruning, m m-pruning. On another processor the last digits may differ.
Commands that take hours are not here.
"""
HEAD = "\n## {}\n\n| command | seconds | what came out |\n|---|--:|---|\n"


def rows_of(notebook: Path) -> list[tuple[str, str]]:
    """Commands and times of a notebook's table that can be run here."""
    found = [(command, said.strip()) for command, said, _ in ROW.findall(notebook.read_text(encoding="utf-8"))]
    short = [(command, said) for command, said in found if not any(part in command for part in LONG)]
    return [row for row in short if all(part not in row[0] or Path(part).exists() for part in NOT_HERE)]


def tried(notebook: Path, command: str) -> dict:
    """Run one command and say how it went."""
    store = Store("try" if "--results try" in command else "results")
    before, start = set(store.addresses()), time.perf_counter()
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    seconds = round(time.perf_counter() - start, 1)
    added = [record for record in store.records() if record["address"] not in before]
    cells = json.loads(results_table(added)[SAID].round(4).to_json(orient="records"))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(f"{seconds:7.1f} s, status {done.returncode}: {command}", flush=True)
    row = {"notebook": notebook.stem, "command": command, "seconds": seconds, "status": done.returncode}
    row |= {"outcome": outcome(cells), "device": processor(), "commit": commit, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    return row | ({"error": done.stderr[-500:]} if done.returncode else {})


def run(path: Path, names: list[str], stored: Path | None) -> None:
    """Try what `names` begin, or everything, and append it to `path`."""
    done = {row["command"] for row in lines(path)}
    for notebook in sorted(Path("notebooks").glob("*.py")):
        rows = [row for row in rows_of(notebook) if row[0] not in done]
        if not rows or (names and not notebook.name.startswith(tuple(names))):
            continue
        for folder in ("try", "results", "tables"):
            shutil.rmtree(folder, ignore_errors=True)
        if stored is not None and any("stored" in said for _, said in rows):
            shutil.copytree(stored, "results")
        for command, _ in rows:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(tried(notebook, command), ensure_ascii=False) + "\n")


def processor() -> str:
    """What computes here, as the system names it."""
    about = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    named = re.search(r"^model name\s*: (.+)$", about, re.MULTILINE)
    return f"{named[1] if named else platform.processor()}, {os.cpu_count()} cores"


def lines(path: Path) -> list[dict]:
    """What `run` has written so far."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def outcome(cells: list[dict]) -> str:
    """What came out, in words: full model, sizes of good subnetworks, scores pruned and retrained, simple models."""
    means: dict[tuple, dict] = {}
    for cell in cells:
        means.setdefault((cell["stage"], cell["method"], cell["subnetwork"]), []).append(cell)
    means = {key: {name: mean([row[name] for row in rows]) for name in SAID[4:]} for key, rows in means.items()}
    parts = [f"full {row['score']:.3f}" for key, row in means.items() if key[0] == "finetune"]
    for method in ("structured", "magnitude"):
        if size := means.get(("search", method, "good")):
            heads = f"{size['share_heads']:.0%} of heads, {size['share_mlps']:.0%} of MLPs" if method[0] == "s" else ""
            parts.append(f"{method[0]} keeps {heads or format(size['share_prunable'], '.0%') + ' of weights'}")
        for name in ("good", "random", "random_layer", "bad"):
            pruned, retrained = (means.get((stage, method, name)) for stage in ("score", "retrain"))
            if pruned or retrained:
                shown = " → ".join(f"{row['score']:.3f}" for row in (pruned, retrained) if row)
                parts.append(f"{method[0]} {name.replace('_', ' by ')} {shown}")
    words = {"cbow": "CBoW", "bilstm": "BiLSTM"}
    parts += [f"{words[key[2]]} {row['score']:.3f}" for key, row in means.items() if key[2] in words]
    parts += [f"longer, {key[1][0]} bad {row['score']:.3f}" for key, row in means.items() if key[0] == "retrain_longer"]
    return "; ".join(parts).replace("%", "\N{NO-BREAK SPACE}%")


def mean(values: list[float | None]) -> float | None:
    """The mean of the numbers among `values`."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def page(path: Path, target: Path) -> None:
    """Write the page."""
    rows = [row for row in lines(path) if row["status"] == 0]
    dates, commits = sorted({row["date"] for row in rows}), list(dict.fromkeys(row["commit"] for row in rows))
    text = OPENING.format(device=rows[0]["device"], date=" and ".join(dates), commit=" and ".join(commits))
    for notebook in sorted({row["notebook"] for row in rows}):
        title = re.search(r"^# # (.+)$", Path(f"notebooks/{notebook}.py").read_text(encoding="utf-8"), re.MULTILINE)[1]
        text += HEAD.format(title)
        of_chapter = [row for row in rows if row["notebook"] == notebook]
        text += "".join(
            f"| `{row['command']}` | {max(1, round(row['seconds']))} | {row['outcome']} |\n" for row in of_chapter
        )
    target.write_text(text, encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "page"])
    parser.add_argument("lines", type=Path, help="one line per command")
    parser.add_argument("names", nargs="*", help="beginnings of notebooks' names; for page the file to write")
    parser.add_argument("--stored", type=Path, help="a folder with the demo's cells")
    options = parser.parse_args()
    if options.what == "run":
        run(options.lines, options.names, options.stored)
    else:
        page(options.lines, Path(options.names[0]))


if __name__ == "__main__":
    main()
