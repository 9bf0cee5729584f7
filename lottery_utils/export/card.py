"""The model card of an exported subnetwork: what it is, how good, how large, how fast, and where it came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..experiment.provenance import now
from ..models.source import KNOWN, name_of_record
from ..tasks.glue import TASKS
from .latency import Latency
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
DENSE = """
```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained("THIS_FOLDER")
tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")
inputs = tokenizer(texts, truncation=True, padding=True, return_tensors="pt")  # pairs: tokenizer(first, second, ...)
logits = model(**inputs).logits
```

The tokenizer cuts texts where training did (`model_max_length`), so the folder alone gives the scores above."""
COMPACT = """
The same model without the parts that were pruned, smaller and faster:

```python
import lottery_utils

model = lottery_utils.load_compact("THIS_FOLDER")
```
"""


def model_card(
    study: Study, rebuilt: Rebuilt, task: Task, apart: dict[str, float], timed: list[Latency], onnx: bool
) -> str:
    """The card as Markdown with the hub's metadata block; its scores are the record's, on the dev set."""
    record, cell = rebuilt.record, rebuilt.cell
    name = f"{task.title}: {cell.subnetwork} subnetwork" if cell.method else f"{task.title}: full model"
    lines = _front(study, record, task)
    lines += [
        f"# {name}",
        "",
        f'A companion to "When BERT Plays the Lottery, All Tickets Are Winning"; cell `{cell.name}`.',
        "",
    ]
    lines += _table(
        {
            "base model": shown_model(record),
            "task": f"{task.title}, {record['data_source']}",
            "pruning": METHODS[cell.method],
            "weights": TREATMENTS[cell.stage],
            **{f"dev {metric}": f"{value:.4f}" for metric, value in record["metrics"].items()},
            "majority score": f"{record['majority']:.4f}",
            **_sizes(record),
        }
    )
    if cell.method:
        lines += ["", "The dev set also chose the subnetwork, so its scores are optimistic."]
    what = "full size, zeros where something was pruned" if cell.method else "the full model"
    lines += ["", "## Loading", "", f"With plain transformers ({what}; packages torch, transformers):", DENSE]
    lines += [COMPACT if "compact" in apart else ""]
    lines += ["`model.onnx` is the smallest form for ONNX Runtime; batch and length are free.", ""] if onnx else []
    lines += [
        "## Latency",
        "",
        "Milliseconds of a forward pass on a CPU, measured at export; if the machine was busy, the fastest says more:",
        "",
    ]
    lines += ["| form | batch | each of | threads | median | fastest |", "|---|---|---|---|---|---|"]
    for t in timed:
        size, times = f"{t.batch} | {t.tokens} tokens", f"{t.milliseconds:.2f} | {t.fastest:.2f}"
        lines.append(f"| {t.form} | {size} | {t.threads} | {times} |")
    lines += ["", "## Where it came from", ""]
    same = f"{rebuilt.same} of {rebuilt.examples} dev predictions as recorded"
    how = "every logit as recorded" if rebuilt.exact else f"{same}, logits apart by at most {rebuilt.apart:.1e}"
    forms = ", ".join(f"{form} {difference:.1e}" for form, difference in apart.items())
    lines += _table(
        {
            "record": f"`{record['address']}`, computed {record['started'][:10]} on {record['device']}",
            "commit": f"{record['commit']}{', with changes' if record['dirty'] else ''}",
            "made again": f"{now()[:10]}: {how}",
            "forms compared": f"largest difference of two logits on a batch: {forms}",
            "versions": ", ".join(f"{key} {value}" for key, value in sorted(record["versions"].items())),
            "settings": ", ".join(f"{key}={value}" for key, value in sorted(settings_behind(study, record).items()))
            or "the paper's",
        }
    )
    return "\n".join(lines) + "\n"


def settings_behind(study: Study, record: dict) -> dict:
    """All settings that differ from the paper's and were part of making a record, those of the cells it read included.

    Where cells of several seeds were read they share their settings.
    """
    settings = {}
    for name in record["upstream"]:
        above = study.record(name)
        settings |= settings_behind(study, above) if above is not None else {}
    return settings | record["inputs"]["settings"]


def _front(study: Study, record: dict, task: Task) -> list[str]:
    """The hub's metadata block; base model and dataset only where the hub has them under that name."""
    lines = ["---", "library_name: transformers"]
    lines += ["pipeline_tag: text-classification", "tags: [lottery-ticket, pruning]"]
    model = study.preset.model
    if model == "embedded" or Path(model).expanduser().is_dir():
        model = name_of_record(record) if name_of_record(record) in KNOWN.values() else ""
    lines += [f"base_model: {model.partition('@')[0]}"] if model else []
    if task.name in TASKS and study.preset.data != "embedded":
        lines.append("datasets: [nyu-mll/glue]")
    return [*lines, "---", ""]


def shown_model(record: dict) -> str:
    """The base model's public name, or the last parts of its folder: never a whole path of this machine."""
    if record["source"]["model"] == "embedded":
        return "the companion's micro-BERT, pre-trained on its demo language"
    return name_of_record(record) or "unknown"


def _sizes(record: dict) -> dict[str, str]:
    counts, shares = record["counts"], record["shares"]
    rows = {}
    for part, text in (("heads", "heads"), ("mlps", "MLPs")):
        if counts[part] is not None:
            rows[f"{text} left"] = f"{counts[part]} of {counts[f'{part}_total']}"
    rows["prunable weights left"] = f"{counts['weights']:,} of {counts['weights_total']:,} ({shares['prunable']:.1%})"
    rows["parameters left"] = f"{counts['parameters']:,} of {counts['parameters_total']:,} ({shares['all']:.1%})"
    return rows


def _table(rows: dict[str, str]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {key} | {str(value).replace('|', '/')} |" for key, value in rows.items())]
