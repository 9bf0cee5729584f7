"""The embedded demo as data: nine tasks in a made-up language, with GLUE's columns and label ids, and a micro-BERT.

Its files are laid out as ``nyu-mll/glue`` lays them out, so `tasks.sources` reads them, and so does
``datasets.load_dataset("parquet", data_files=...)``. The folder `demo_language` of the repository made them.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def demo_task_dir(name: str) -> Path:
    """The folder of a task's parquet files, ``train.parquet`` and the dev split by GLUE's name for it."""
    return FOLDER / "tasks" / name


def micro_bert_dir() -> Path:
    """The folder of the embedded micro-BERT: config, weights, tokenizer and pre-training log."""
    return FOLDER / "micro_bert"
