"""The model card of an exported subnetwork: what it is, how good, how large, how fast, and where it came from."""

from __future__ import annotations

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
    from huggingface_hub import ModelCardData

    from ..experiment.study import Study
    from ..tasks.glue import Task

TEMPLATE = Path(__file__).with_name("card.md")


def model_card(study: Study, rebuilt: Rebuilt, task: Task, apart: dict[str, float], times: list[dict]) -> str:
    """The card as Markdown with the hub's metadata block; its scores are the record's, on the dev set.

    `apart` has the forms that were written, each with its largest difference of two logits from the model; `times` as
    from `latencies`.
    """
    from huggingface_hub import ModelCard

    record = rebuilt.record
    what = {"record": record, "cell": rebuilt.cell, "agreement": rebuilt.agreement, "task": task, "apart": apart}
    what |= {"times": times, "today": now()[:10], "settings": settings_behind(study, record)}
    what |= {"model": name_of_record(record) or "unknown"}
    return ModelCard.from_template(_metadata(study, record, task), str(TEMPLATE), **what).content + "\n"


def _metadata(study: Study, record: dict, task: Task) -> ModelCardData:
    """The hub's metadata block; base model and dataset only where the hub has them under that name."""
    from huggingface_hub import ModelCardData

    model, data = study.preset.model, None
    if model == "embedded" or Path(model).expanduser().is_dir():
        model = name_of_record(record) if name_of_record(record) in KNOWN.values() else ""
    if task.name in TASKS and study.preset.data != "embedded":
        data = ["nyu-mll/glue"]
    base = model.partition("@")[0] or None
    what = {"library_name": "transformers", "pipeline_tag": "text-classification", "datasets": data}
    return ModelCardData(**what, tags=["lottery-ticket", "pruning"], base_model=base)


def settings_behind(study: Study, record: dict) -> dict:
    """All settings that differ from the paper's and were part of making a record, those of the cells it read included.

    Where cells of several seeds were read they share their settings.
    """
    settings = {}
    for name in record["upstream"]:
        above = study.record(name)
        settings |= settings_behind(study, above) if above is not None else {}
    return settings | record["inputs"]["settings"]


def latencies(models: dict[str, nn.Module], inputs: dict[str, torch.Tensor]) -> list[dict]:
    """Time every model on one example and on the whole batch, on the CPU, half a second each, by torch's own timer.

    A row has form, batch, tokens, threads, and milliseconds: median, and fastest, which a busy machine disturbs least.
    """
    rows = []
    for batch in sorted({1, len(inputs["input_ids"])}):
        part = {name: tensor[:batch] for name, tensor in inputs.items()}
        where = {"batch": batch, "tokens": part["input_ids"].shape[1], "threads": torch.get_num_threads()}
        for form, model in models.items():
            timer = Timer("model(**part)", globals={"model": model, "part": part}, num_threads=where["threads"])
            with torch.no_grad():
                times = timer.blocked_autorange(min_run_time=0.5)
            rows.append({"form": form, **where, "median": 1000 * times.median, "fastest": 1000 * min(times.times)})
    return rows
