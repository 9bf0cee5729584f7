"""Write benchmarks/README.md and the book's pages of measurements from results.json: the newest entry of each name.

Every number on these pages comes from a run. `python benchmarks/page.py` after a run, or `make bench`, which ends so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BOOK = HERE.parent / "book"
RESULTS = HERE / "results.json"
FIELDS = {"name": str, "ours": float, "peer": float, "unit": str, "ratio": float, "machine": str, "versions": dict,
          "commit": str, "date": str, "what": str, "than": str, "note": str, "threads": int}  # fmt: skip

# What each comparison is called on the page, and how many times better it is meant to be; in the order shown.
SPEED = {
    "structured-search": ("structured search, released mode", 20.0),
    "structured-search-exact": ("structured search, exact mode", 20.0),
    "magnitude-search-time": ("magnitude search, time", 20.0),
    "magnitude-search-memory": ("magnitude search, memory", 4.0),
    "finetune-trainer-grouped": ("fine-tuning against Trainer, grouped by length", 1.3),
    "finetune-trainer-random": ("fine-tuning against Trainer, random order", 1.3),
    "finetune-padded-128": ("fine-tuning against Trainer, padded to 128", 4.0),
    "base-step-products-bf16": ("BERT-base's size: a step in bf16 at the rate of its own matrix products", 0.7),
    "base-step-trainer-bf16": ("BERT-base's size: a step in bf16 against Trainer, grouped by length", 1.5),
    "base-search-bf16": ("BERT-base's size: a search in bf16 against fp32", 3.0),
    "retrain-compact": ("retraining the compact model: share of the FLOPs saved", 0.9),
    "report-demo-seconds": ("`make report` on the demo", 1.0),
    "start-import": ("`import lottery_utils`", 1.0),
    "start-help": ("`lottery --help`", 1.0),
    "start-status": ("`lottery status`", 1.0),
    "gpu-finetune-single": ("one fine-tuning on a GPU", 4.0),
    "gpu-finetune-shared": ("fine-tunings that share a GPU", 8.0),
    "gpu-grid-hours": ("the paper's grid within 6 GPU-hours", 1.0),
}
ON_GPU = tuple(name for name in SPEED if name.startswith("gpu-"))
GROWTH = {
    "growth-dev-set": "dev examples",
    "growth-length": "tokens an example",
    "growth-components": "components",
    "growth-cells-plan": "cells: the plan",
    "growth-cells-addresses": "cells: their addresses",
    "growth-cells-schedule": "cells: the order of work",
    "growth-cells-status": "cells: status",
    "growth-cells-verify": "cells: verification",
    "growth-workers": "workers",
}
BUYS = ("inference-latency", "inference-throughput", "inference-latency-base", "inference-throughput-base")
BUYS += tuple(f"{name}-gpu" for name in BUYS)

NO_GPU = (
    "No GPU was at hand where these numbers were taken, so the comparisons on a GPU have none. The code path "
    "is there and tested on the CPU for equal results; `python benchmarks/gpu.py` measures all three on a machine with "
    "one."
)
DEVICES = (
    "One cell on one device gives the same bits each time, however many threads it is told to use. Other instructions "
    "add up in another order: from the same weights, logits may differ by no more than the tolerance; trained anew, "
    "the differences grow with every step."
)
GROWS = (
    "Each curve is fitted by a power law in its size. A step grows faster than its work where the first exponent is "
    "above the second; one below it has a fixed part that does not grow."
)


def read(path: Path = RESULTS) -> dict[str, dict]:
    """The newest entry of each name, in the file's order; raises ValueError for a malformed file."""
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected a list of entries")
    for number, entry in enumerate(entries):
        for field, kind in FIELDS.items():
            value = entry.get(field)
            good = isinstance(value, (int, float)) and value == value if kind is float else isinstance(value, kind)
            if not good:
                raise ValueError(f"{path}: entry {number} ({entry.get('name')}): {field} is {value!r}")
    return {entry["name"]: entry for entry in entries}


def number(value) -> str:
    """Three digits; text as it is."""
    if isinstance(value, str) or value is None:
        return code(value or "")
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def code(text: str) -> str:
    """A command as code, so that pages keep its dashes; other text as it is."""
    return f"`{text}`" if text.startswith("python -") else text


def table(rows: list[dict]) -> str:
    """Flat dicts with the same keys as a Markdown table; numbers to the right."""
    heads = list(rows[0])
    right = [all(not isinstance(row[head], str) or row[head] == "–" for row in rows) for head in heads]
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join("--:" if r else "---" for r in right) + "|"]
    return "\n".join(lines + ["| " + " | ".join(number(row[head]) for head in heads) + " |" for row in rows])


def extrapolated(entry: dict) -> bool:
    """Whether the peer's seconds were not all spent: they are more than any of its timed runs took."""
    times = entry.get("runs", {}).get("peer", {}).get("wall", [])
    return entry["unit"] == "s" and bool(times) and entry["peer"] > max(times)


def goals(found: dict[str, dict]) -> str:
    """One row for each comparison that has a goal."""
    rows = []
    for name, (title, goal) in SPEED.items():
        entry = found.get(name)
        row = {"comparison": title, "ours": "–", "peer": "–", "unit": "", "ratio": "–"}
        if entry:
            row |= {key: entry[key] for key in ("ours", "peer", "unit", "ratio")}
            row["unit"] += ", peer extrapolated" * extrapolated(entry)
        reached = "not measured" if not entry else "yes" if entry["ratio"] >= goal else "no"
        rows.append(row | {"goal": f"{goal:g}", "reached": reached})
    return table(rows)


def details(entry: dict, title: str) -> str:
    """What was compared, how often, where and with what; and the table that belongs to it."""
    sides = entry.get("runs", {}).items()
    names = {"peer": "peer, of which the table's time is extrapolated"} if extrapolated(entry) else {}
    runs = [f"{names.get(side, side)}: {', '.join(number(t) for t in times['wall'])} s" for side, times in sides]
    versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
    lines = [
        f"### {title}",
        "",
        f"`{entry['name']}`. *Ours*: {code(entry['what'])}. *Peer*: {entry['than']}."
        + (f" {sentence(entry)}" if entry["note"] else ""),
        "",
    ]
    if runs:
        lines += [f"Runs, in turn: {'; '.join(runs)}.", ""]
    lines += [f"{entry['date']}, {place(entry)}; {versions}; commit {entry['commit']}.", ""]
    return "\n".join(lines + ([table(entry["rows"]), ""] if entry.get("rows") else []))


def sentence(entry: dict) -> str:
    """The note as a sentence."""
    note = entry["note"]
    return note[0].upper() + note[1:] + ("" if note.endswith(".") else ".")


def place(entry: dict) -> str:
    """The machine and the number of threads."""
    return f"{entry['machine']}, {entry['threads']} thread{'s' if entry['threads'] > 1 else ''}"


def growth(found: dict[str, dict]) -> list[str]:
    """The exponents in one table, then the curves."""
    there = {name: title for name, title in GROWTH.items() if name in found and name != "growth-workers"}
    if not there and "growth-workers" not in found:
        return ["Not measured yet.", ""]
    parts = [GROWS, ""]
    if there:
        rows = [
            {"cost over": title, "exponent of the time": found[name]["ours"], "of the work": found[name]["peer"]}
            for name, title in there.items()
        ]
        parts += [table(rows), ""]
    return parts + [details(found[name], GROWTH[name]) for name in (*there, "growth-workers") if name in found]


def benchmarks_page(found: dict[str, dict]) -> str:
    """The page of all comparisons."""
    parts = [
        "# Benchmarks",
        "",
        "How fast the companion is beside the tools one would otherwise use. Both sides ran in the same process or one "
        "after the other, in turn; medians are compared, and every run is listed below. *Ratio* says how many times "
        "better ours is; *extrapolated* is the time of one batch, times the batches and passes of the whole. "
        "`make bench` measures the comparisons that need no GPU again and rewrites this page; the numbers are in "
        "`benchmarks/results.json`.",
        "",
        goals(found),
        "",
    ]
    if not any(name in found for name in ON_GPU):
        parts += [NO_GPU, ""]
    parts += ["## What was compared", ""]
    parts += [details(found[name], title) for name, (title, _) in SPEED.items() if name in found]
    parts += ["## How cost grows", "", *growth(found)]
    if "devices" in found:
        told = details(found["devices"], "the same cells elsewhere")
        parts += ["## How far devices lie apart", "", DEVICES, "", told]
    return "\n".join(parts).rstrip() + "\n"


def buys_page(found: dict[str, dict]) -> str:
    """The page on what a pruned model saves when it is used, and when it is trained."""
    parts = [
        "# What pruning buys",
        "",
        "A head whose gate is closed is still computed, and then multiplied by zero: a gated model is no faster than "
        "the full one. Time is saved only where the parts are cut out of the weight matrices. What is left is called "
        "the *compact* model, an ordinary model whose layers are narrower. Pruning single weights, as m-pruning does, "
        "saves no time on common hardware, since the matrices keep their shape; it saves room only in a compressed "
        "file.",
        "",
        "So the measurements below are about heads and MLPs. Which ones were cut was drawn at random, because the time "
        "depends on how many are left and not on which. The embeddings stay whole, so a model loses a smaller share of "
        "its parameters than its encoder does.",
        "",
    ]
    there = [name for name in BUYS if name in found]
    if not there:
        parts += ["Not measured yet.", ""]
    for name in there:
        entry = found[name]
        how = "One example at a time" if "latency" in name else "In batches of 32"
        what = entry["what"].removesuffix(", batches of 32")
        parts += [f"**{how}, {number(entry['ratio'])} times as fast as {entry['than']}**: {what}.", ""]
        if entry.get("rows"):
            parts += [table(entry["rows"]), ""]
        parts += [f"Measured {entry['date']}, {place(entry)}.", ""]
    if "retrain-compact" in found:
        entry = found["retrain-compact"]
        parts += ["## Training a subnetwork again", "", f"{entry['what'][0].upper()}{entry['what'][1:]}:"]
        by_operations = f"The number of operations alone would give {number(entry['peer'])}."
        parts += [f"{number(entry['ours'])} times. {by_operations}", ""]
        parts += [table(entry["rows"]), ""] if entry.get("rows") else []
    return "\n".join(parts).rstrip() + "\n"


def pages(found: dict[str, dict]) -> dict[Path, str]:
    """Every page that is written, and its text."""
    page = benchmarks_page(found)
    return {HERE / "README.md": page, BOOK / "benchmarks.md": page, BOOK / "pruning_buys.md": buys_page(found)}


def main() -> int:
    """Write the pages; with `--check` say instead whether they are as they would be written."""
    texts = pages(read())
    if "--check" in sys.argv:
        old = [path.name for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]
        print("not as results.json says: " + ", ".join(old) if old else "the pages agree with results.json")
        return bool(old)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    print(", ".join(str(path.relative_to(HERE.parent)) for path in texts) + " written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
