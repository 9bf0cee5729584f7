"""`lottery export`: a subnetwork as a folder that plain transformers loads, with the compact model and masks inside."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ..disk import as_umask, writable
from ..errors import UserError, usable_folder, usable_path
from ..experiment.cells import Cell, mask_source
from ..experiment.store import MASK
from ..models.compact import dense, load_compact, save_compact
from ..models.load import load_tokenizer, quiet_transformers
from ..tasks.glue import find_task
from .card import latencies, model_card
from .onnx import require_onnx, run_onnx, write_onnx
from .rebuild import Rebuilt, rebuild, sample

if TYPE_CHECKING:
    from ..experiment.study import Study
    from ..presets import Preset
    from ..tasks.glue import Task

CLOSE = 1e-4  # largest difference of two logits between the forms of one exported model
# and between the folder and the record, by the precision that the record was made in, of the largest logit
AS_RECORDED = {"fp32": 1e-3, "bf16": 0.1}
COMPARED = 256  # examples on which the folder is compared with the record
COMPACT, ONNX = "compact", "model.onnx"


def export_cell(study: Study, cell: Cell, folder: str | Path, onnx: bool = False) -> Rebuilt:
    """Write the model of `cell` to `folder`, which must not exist or be empty; nothing is left there on failure.

    The folder itself is a transformers checkpoint (dense, zeros where something was pruned) with tokenizer and
    model card; `compact/`, where components were pruned, is the smaller model for `lottery_utils.load_compact`;
    `mask.safetensors` is the mask; `model.onnx` the smallest form, if asked for. Each form is loaded again and
    compared before the folder appears; the model is returned, with how it compares with its record. Raises UserError
    for a cell without a model, or a folder that holds something.
    """
    folder = usable_path("folder", str(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already and is not empty; give a new folder, nothing is overwritten")
    if onnx:
        require_onnx()
    usable_folder("folder", folder.parent)
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    with writable(folder):
        try:
            part.mkdir()  # first, as a model made again may take hours
            rebuilt = rebuild(study, cell)
            _write(study, rebuilt, part, onnx)
            for path in part.rglob("*.safetensors"):
                as_umask(path)
            os.replace(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return rebuilt


def _write(study: Study, rebuilt: Rebuilt, part: Path, onnx: bool) -> None:
    """Write every form, and the card with the largest difference of two logits of each, loaded again."""
    from transformers import AutoTokenizer

    cell, task = rebuilt.cell, find_task(rebuilt.cell.task, study.preset.data)
    whole = dense(rebuilt.model)
    smaller = whole is not rebuilt.model
    name_labels(whole, task)
    with torch.no_grad(), quiet_transformers():
        whole.save_pretrained(part, safe_serialization=True)
        _save_tokenizer(study.preset, part)
        batches = sample(study, cell, AutoTokenizer.from_pretrained(part, local_files_only=True), COMPARED)
        inputs = batches[0]
        if rebuilt.mask is not None:
            rebuilt.mask.save(part / MASK, {"cell": mask_source(cell).name})
        if smaller:
            name_labels(rebuilt.model, task)
            save_compact(rebuilt.model, part / COMPACT)
        want = logits(whole, inputs)
        forms = {"dense": _dense_again(part)} | ({"compact": load_compact(part)} if smaller else {})
        apart = {name: float(np.abs(logits(model, inputs) - want).max()) for name, model in forms.items()}
        _require_as_recorded(rebuilt, np.concatenate([logits(forms["dense"], batch) for batch in batches]))
        if onnx:
            write_onnx(rebuilt.model, inputs, part / ONNX)
            apart["onnx"] = float(np.abs(run_onnx(part / ONNX, inputs) - want).max())
    for form, difference in apart.items():
        if not difference <= CLOSE:
            raise RuntimeError(f"{cell.name}: the {form} form differs from the model by {difference:.2g}; not exported")
    times = latencies({"dense": whole} | ({"compact": rebuilt.model} if smaller else {}), inputs)
    (part / "README.md").write_text(model_card(study, rebuilt, task, apart, times), encoding="utf-8")
    about = {"cell": cell.as_dict(), "record": rebuilt.record, "same_predictions": [rebuilt.same, rebuilt.examples]}
    (part / "lottery.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _save_tokenizer(preset: Preset, part: Path) -> None:
    """Save a preset's tokenizer, which cuts texts where training did.

    So that transformers 4 knows its class too, and without what is true of this machine only.
    """
    tokenizer = load_tokenizer(preset.model)
    tokenizer.model_max_length = min(preset.max_length, tokenizer.model_max_length)
    tokenizer.save_pretrained(part)
    path = part / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings = {name: value for name, value in settings.items() if name not in ("is_local", "local_files_only")}
    if settings.get("tokenizer_class") == "TokenizersBackend":  # transformers 5's name of the same
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(settings.get("extra_special_tokens"), list):  # there a mapping
        settings["additional_special_tokens"] = settings.pop("extra_special_tokens")
    path.write_text(json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _require_as_recorded(rebuilt: Rebuilt, answers: np.ndarray) -> None:
    """Raise UserError where plain transformers, from the folder, answers something else than the record says."""
    recorded = rebuilt.logits[: len(answers)]
    allowed = AS_RECORDED[rebuilt.record.get("precision") or "bf16"] * float(np.abs(recorded).max())
    difference = float(np.abs(answers - recorded).max())
    if not difference <= allowed + rebuilt.apart:
        raise UserError(
            f"{rebuilt.cell.name}: loaded by plain transformers the model's logits differ from the recorded ones by "
            f"{difference:.2g}, more than {allowed:.1g}; not exported, please report the model's config.json"
        )


def name_labels(model: nn.Module, task: Task) -> None:
    """Write the task's label names into the configuration, as transformers' pipelines show them."""
    names = task.label_names or ("score",)
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: number for number, name in enumerate(names)}
    model.config.problem_type = "regression" if task.regression else "single_label_classification"


def logits(model: nn.Module, inputs: dict[str, torch.Tensor]) -> np.ndarray:
    """The model's outputs (B, C) for one batch."""
    with torch.no_grad():
        return model(**inputs).logits.numpy()


def _dense_again(part: Path) -> nn.Module:
    from transformers import AutoModelForSequenceClassification

    loaded = AutoModelForSequenceClassification.from_pretrained(part, local_files_only=True, use_safetensors=True)
    return loaded.eval()
