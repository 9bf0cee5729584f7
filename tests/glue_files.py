"""Small GLUE-like rows, written as parquet files, official TSV folders or a hub cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lottery_utils.tasks.glue import TASKS
from lottery_utils.tasks.sources import GLUE_REVISION

# header of each official file, None where the row has to be built otherwise
HEADERS = {
    "sst2": "sentence\tlabel",
    "mrpc": "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String",
    "stsb": "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
    "qqp": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
    "mnli": "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
    "sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
    "qnli": "index\tquestion\tsentence\tlabel",
    "rte": "index\tsentence1\tsentence2\tlabel",
    "wnli": "index\tsentence1\tsentence2\tlabel",
}
DIGITS = ("cola", "sst2", "mrpc", "qqp", "wnli")  # labels are ids in the official files, names in the others


def example_rows(name: str, count: int = 12, start: int = 0) -> dict[str, list]:
    """Return `count` rows with quotes, accents and spaces at both ends, as lists by column."""
    task = TASKS[name]
    numbers = range(start, start + count)
    texts = {c: [f' {c} {n} "said \N{LATIN SMALL LETTER E WITH ACUTE}\' , n/a ' for n in numbers] for c in task.columns}
    labels = [round(n * 0.8 % 5, 3) for n in numbers] if task.regression else [n % task.num_labels for n in numbers]
    return {**texts, "label": labels}


def write_parquet(path: Path, rows: dict[str, list]) -> Path:
    """Write `rows` to `path`, with the official ``idx`` column, and return `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({**rows, "idx": pa.array(range(len(rows["label"])), pa.int32())})
    if isinstance(rows["label"][0], float):
        table = table.set_column(table.schema.get_field_index("label"), "label", pa.array(rows["label"], pa.float32()))
    pq.write_table(table, path)
    return path


def write_parquet_task(root: Path, name: str, train: dict, dev: dict) -> Path:
    """Write both splits as ``root/<name>/*.parquet`` and return `root`."""
    write_parquet(root / name / "train.parquet", train)
    write_parquet(root / name / f"{TASKS[name].dev_split}.parquet", dev)
    return root


def tsv_lines(name: str, rows: dict[str, list]) -> list[str]:
    """Return `rows` as the lines of an official file, header included."""
    task = TASKS[name]
    lines = [HEADERS[name]] if name in HEADERS else []
    for n, (*texts, label) in enumerate(zip(*(rows[c] for c in (*task.columns, "label")))):
        if task.regression:
            label = f"{label:.3f}"
        elif name not in DIGITS:
            label = task.label_names[label]
        cells = {
            "cola": ["gj04", label, "", *texts],
            "sst2": [*texts, label],
            "mrpc": [label, 1000 + n, 2000 + n, *texts],
            "stsb": [n, "news", "file", 2012, n, "none", "none", *texts, label],
            "qqp": [n, 2 * n, 2 * n + 1, *texts, label],
            "mnli": [n, n, f"{n}e", "fiction", "( a )", "( b )", "(S a)", "(S b)", *texts, label, label],
        }.get(name, [n, *texts, label])
        lines.append("\t".join(map(str, cells)))
    return lines


def write_tsv_task(root: Path, name: str, train: dict, dev: dict) -> Path:
    """Write both splits as an official folder under `root` and return `root`."""
    folder = root / TASKS[name].title
    folder.mkdir(parents=True, exist_ok=True)
    for file, rows in (("train.tsv", train), ("dev_matched.tsv" if name == "mnli" else "dev.tsv", dev)):
        (folder / file).write_text("\n".join(tsv_lines(name, rows)) + "\n", encoding="utf-8")
    return root


def write_hub_cache(home: Path, name: str, train: dict, dev: dict) -> Path:
    """Write both splits into a cache as the hub's client leaves it under ``HF_HOME``, and return the hub folder."""
    repository = home / "hub" / "datasets--nyu-mll--glue"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(GLUE_REVISION)
    snapshot = repository / "snapshots" / GLUE_REVISION / name
    write_parquet(snapshot / "train-00000-of-00001.parquet", train)
    write_parquet(snapshot / f"{TASKS[name].dev_split}-00000-of-00001.parquet", dev)
    return home / "hub"


def values(rows: dict[str, list], name: str) -> tuple[list[tuple], np.ndarray]:
    """Return `rows` as texts and labels, to compare with a loaded split."""
    return list(zip(*(rows[c] for c in TASKS[name].columns))), np.asarray(rows["label"])
