"""The model card of an exported subnetwork: what it is, how good, how large, how fast, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.benchmark import Timer

from ..experiment.provenance import now
from ..models.source import KNOWN, name_of_record
from ..tasks.glue import TASKS
from .rebuild import Rebuilt

if TYPE_CHECKING:
    from ..experiment.study import Study
    from ..tasks.glue import Task

METHODS = {
    "structured": "s-pruning (heads and MLPs)",
    "magnitude": "m-pruning (single weights)",
    "": "none: the full model",
}
TREATMENTS = {
    "finetune": "fine-tuned",
    "score": "fine-tuned, then pruned; not trained again",
    "retrain": "pre-trained weights under the mask, fine-tuned",
    "retrain_longer": "pre-trained weights under the mask, fine-tuned for longer",
}
PARTS = {"heads": "heads", "mlps": "MLPs"}
DENSE = """
```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained("THIS_FOLDER")
tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")
inputs = tokenizer(texts, truncation=True, padding=True, return_tensors="pt")  # pairs: tokenizer(first, second, ...)
logits = model(**inputs).logits
```

The tokenizer cuts texts where training did (`model_max_length`), so the folder alone gives the scores above."""
COMPACT = """The same model without the parts that were pruned, smaller and faster:

```python
import lottery_utils

model = lottery_utils.load_compact("THIS_FOLDER")
```"""
OPTIMISTIC = "The dev set also chose the subnetwork, so its scores are optimistic."
TIMES = "Milliseconds of a forward pass on a CPU, measured at export; if the machine was busy, the fastest says more:"


def model_card(study: Study, rebuilt: Rebuilt, task: Task, apart: dict[str, float], timed: list[Latency]) -> str:
    """The card as Markdown with the hub's metadata block; its scores are the record's, on the dev set.

    `apart` has the forms that were written, each with its largest difference of two logits from the model.
    """
    record, cell = rebuilt.record, rebuilt.cell
    name = f"{cell.subnetwork} subnetwork" if cell.method else "full model"
    what = "full size, zeros where something was pruned" if cell.method else "the full model"
    parts = [
        _front(study, record, task),
        f"# {task.title}: {name}",
        f'A companion to "When BERT Plays the Lottery, All Tickets Are Winning"; cell `{cell.name}`.',
        _table(_about(rebuilt, task)),
        OPTIMISTIC if cell.method else "",
        f"## Loading\n\nWith plain transformers ({what}; packages torch, transformers):\n{DENSE}",
        COMPACT if "compact" in apart else "",
        "`model.onnx` is the smallest form for ONNX Runtime; batch and length are free." if "onnx" in apart else "",
        f"## Latency\n\n{TIMES}",
        _times(timed),
        "## Where it came from",
        _table(_origin(study, rebuilt, apart)),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _front(study: Study, record: dict, task: Task) -> str:
    """The hub's metadata block; base model and dataset only where the hub has them under that name."""
    from huggingface_hub import ModelCardData

    model, data = study.preset.model, None
    if model == "embedded" or Path(model).expanduser().is_dir():
        model = name_of_record(record) if name_of_record(record) in KNOWN.values() else ""
    if task.name in TASKS and study.preset.data != "embedded":
        data = ["nyu-mll/glue"]
    base = model.partition("@")[0] or None
    what = {"library_name": "transformers", "pipeline_tag": "text-classification", "datasets": data}
    return f"---\n{ModelCardData(**what, tags=['lottery-ticket', 'pruning'], base_model=base).to_yaml()}\n---"


def _about(rebuilt: Rebuilt, task: Task) -> dict[str, str]:
    record, cell = rebuilt.record, rebuilt.cell
    counts, shares = record["counts"], record["shares"]
    left = {"heads": counts["heads"], "mlps": counts["mlps"]}
    return {
        "base model": shown_model(record),
        "task": f"{task.title}, {record['data_source']}",
        "pruning": METHODS[cell.method],
        "weights": TREATMENTS[cell.stage],
        **{f"dev {metric}": f"{value:.4f}" for metric, value in record["metrics"].items()},
        "majority score": f"{record['majority']:.4f}",
        **{f"{PARTS[key]} left": f"{n} of {counts[f'{key}_total']}" for key, n in left.items() if n is not None},
        "prunable weights left": f"{counts['weights']:,} of {counts['weights_total']:,} ({shares['prunable']:.1%})",
        "parameters left": f"{counts['parameters']:,} of {counts['parameters_total']:,} ({shares['all']:.1%})",
    }


def _times(timed: list[Latency]) -> str:
    lines = ["| form | batch | each of | threads | median | fastest |", "|---|---|---|---|---|---|"]
    for t in timed:
        size, times = f"{t.batch} | {t.tokens} tokens", f"{t.milliseconds:.2f} | {t.fastest:.2f}"
        lines.append(f"| {t.form} | {size} | {t.threads} | {times} |")
    return "\n".join(lines)


def _origin(study: Study, rebuilt: Rebuilt, apart: dict[str, float]) -> dict[str, str]:
    record, settings = rebuilt.record, settings_behind(study, rebuilt.record)
    how = "every logit as recorded"
    if not rebuilt.exact:
        how = f"{rebuilt.agreement}, logits apart by at most {rebuilt.apart:.1e}"
    forms = ", ".join(f"{form} {difference:.1e}" for form, difference in apart.items())
    return {
        "record": f"`{record['address']}`, computed {record['started'][:10]} on {record['device']}",
        "commit": f"{record['commit']}{', with changes' if record['dirty'] else ''}",
        "made again": f"{now()[:10]}: {how}",
        "forms compared": f"largest difference of two logits on a batch: {forms}",
        "versions": ", ".join(f"{key} {value}" for key, value in sorted(record["versions"].items())),
        "settings": ", ".join(f"{key}={value}" for key, value in sorted(settings.items())) or "the paper's",
    }


def settings_behind(study: Study, record: dict) -> dict:
    """All settings that differ from the paper's and were part of making a record, those of the cells it read included.

    Where cells of several seeds were read they share their settings.
    """
    settings = {}
    for name in record["upstream"]:
        above = study.record(name)
        settings |= settings_behind(study, above) if above is not None else {}
    return settings | record["inputs"]["settings"]


def shown_model(record: dict) -> str:
    """The base model's public name, or the last parts of its folder: never a whole path of this machine."""
    if record["source"]["model"] == "embedded":
        return "the companion's micro-BERT, pre-trained on its demo language"
    return name_of_record(record) or "unknown"


def _table(rows: dict[str, str]) -> str:
    lines = [f"| {key} | {str(value).replace('|', '/')} |" for key, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a CPU forward pass of `batch` examples of `tokens` tokens, with `threads` threads.

    `milliseconds` is the median, `fastest` the best, which a busy machine disturbs least.
    """

    form: str
    batch: int
    tokens: int
    milliseconds: float
    fastest: float
    threads: int


def latencies(models: dict[str, nn.Module], inputs: dict[str, torch.Tensor]) -> list[Latency]:
    """Time every model on one example and on the whole batch, half a second each, by torch's own timer."""
    timed = []
    for batch in sorted({1, len(inputs["input_ids"])}):
        part = {name: tensor[:batch] for name, tensor in inputs.items()}
        tokens, threads = part["input_ids"].shape[1], torch.get_num_threads()
        for form, model in models.items():
            timer = Timer("model(**part)", globals={"model": model, "part": part}, num_threads=threads)
            with torch.no_grad():
                times = timer.blocked_autorange(min_run_time=0.5)
            timed.append(Latency(form, batch, tokens, 1000 * times.median, 1000 * min(times.times), threads))
    return timed
