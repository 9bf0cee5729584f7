"""Stage attention: patterns of the heads, fine-tuned and pre-trained, in the whole model and cut to super-survivors."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..attention.archive import load_label_archive
from ..attention.classifier import (
    STEPS,
    PatternNet,
    by_size,
    held_out,
    split_labelled,
    train,
    train_on,
    training_sizes,
    validate,
)
from ..attention.names import KINDS, NETWORKS, PATTERNS, RULES, WEIGHTS
from ..attention.patterns import Gallery, choose_examples, count_patterns
from ..errors import UserError
from ..models.compact import compact
from ..presets import Preset
from ..pruning.controls import structured_control
from ..pruning.masks import model_sizes
from ..training.device import derived_seed
from .actions import fine_tuned, set_size, timed
from .cells import upstream
from .claims import claim
from .identity import archive_print, numpy_generator_for
from .stage import Result, Work


def run_attention(work: Work, result: Result) -> None:
    """Name and count the maps of every head on some dev examples (paper, section 5; protocol, section 9).

    The result's arrays: `counts` int32 (weights, networks, kinds, layers, heads, types), in the order of `WEIGHTS`,
    `NETWORKS`, `KINDS` and `PATTERNS`; `super_heads` bool (layers, heads), those that survive in every seed; `rows`
    and `tokens` (N,) of the examples; `confusion` (kinds, 2, types, types) of the classifiers on held-out maps, like
    those trained on and harder; `example_maps`, `example_tokens` and `example_places`, see `Gallery`. In "cut" the
    model is reduced to the heads and MLPs that survive in every seed,
    as the authors did it; after a degenerate search that part is empty.
    """
    cell, preset = work.cell, work.preset
    model, data = fine_tuned(work, result)
    searches = [c for c in upstream(cell, preset.seeds) if c.stage == "search"]
    result.degenerate = any(work.record(c)["degenerate"] for c in searches)
    rng = numpy_generator_for(work.address(), "attention")
    result.mask = structured_control("super", None, rng, seeds=[work.mask(c) for c in searches])
    set_size(result, model_sizes(model), result.mask)
    with timed(result, "classifier"):
        readers, confusion = _readers(work)
    least, most = preset.attention_min_tokens, preset.attention_max_tokens
    rows = choose_examples(data.dev, preset.attention_examples, least, most, rng)
    if len(rows) < preset.attention_examples:
        result.notes.append(f"attention: {len(rows)} dev examples have {least} to {most} tokens")
    tokens = data.dev.lengths[rows]
    gallery = Gallery(int(tokens.max(initial=4)), rng)
    shape = result.mask.heads.shape
    counts = np.zeros((len(WEIGHTS), len(NETWORKS), len(KINDS), *shape, len(PATTERNS)), np.int32)
    with timed(result, "maps"):
        for w, whole in enumerate((model, work.classifier())):
            whole.to(work.device)
            counts[w, 0] = count_patterns(whole, data.dev, rows, readers, shape, None if w else gallery)
            if not result.degenerate:
                cut = compact(whole, result.mask.heads, result.mask.mlps, inplace=True)
                counts[w, 1] = count_patterns(cut, data.dev, rows, readers, shape)
    result.trajectory = {
        "counts": counts,
        "super_heads": result.mask.heads,
        "rows": rows.astype(np.int64),
        "tokens": tokens.astype(np.int64),
        "confusion": confusion,
        "example_maps": gallery.maps,
        "example_tokens": gallery.tokens,
        "example_places": gallery.places,
    }


def _readers(work: Work) -> tuple[dict[str, torch.nn.Module], np.ndarray]:
    """The classifiers of each kind and their validation, made once for a store and its settings, then shared."""
    preset = work.preset
    if preset.attention_min_tokens > preset.attention_max_tokens:
        raise UserError(
            f"attention_min_tokens {preset.attention_min_tokens} is above attention_max_tokens "
            f"{preset.attention_max_tokens}"
        )
    sizes = training_sizes(preset.attention_min_tokens, preset.attention_max_tokens)
    about = {"rules": RULES, "steps": STEPS, "sizes": sizes, "torch": torch.__version__}
    if preset.attention_labels:
        about["labels"] = archive_print(preset.attention_labels)
    key = "attention-" + hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    path = work.store.scratch(key) / "classifiers.safetensors"
    while True:
        found = _load(path)
        if found is not None:
            return found
        with claim(work.store.root, key) as held:
            if held:
                found = _load(path) or _train(preset, sizes)
                _save(path, *found)
                return found
        time.sleep(0.5)  # another worker is making them


def _train(preset: Preset, sizes: list[int]) -> tuple[dict[str, torch.nn.Module], np.ndarray]:
    labelled = load_label_archive(preset.attention_labels) if preset.attention_labels else {}
    readers, confusion = {}, np.zeros((len(KINDS), 2, len(PATTERNS), len(PATTERNS)), np.int64)
    for k, kind in enumerate(KINDS):
        seed = derived_seed("attention classifier", kind) % 2**31
        if kind in labelled:
            learn, judge = split_labelled(labelled[kind], seed)
            readers[kind] = train_on(learn, seed)
            tests = (by_size(judge), by_size(judge))
        else:
            readers[kind] = train(kind, sizes, seed)
            tests = (held_out(kind, sizes, seed), held_out(kind, sizes, seed, hard=True))
        for number, batches in enumerate(tests):
            confusion[k, number] = validate(readers[kind], batches).confusion
    return readers, confusion


def _save(path: Path, readers: dict[str, torch.nn.Module], confusion: np.ndarray) -> None:
    if path.is_file():
        return
    tensors = {f"{kind}.{name}": value for kind, net in readers.items() for name, value in net.state_dict().items()}
    part = path.with_name(f"{path.name}.{os.getpid()}")
    save_file({**tensors, "confusion": torch.from_numpy(confusion)}, part)
    os.replace(part, path)


def _load(path: Path) -> tuple[dict[str, torch.nn.Module], np.ndarray] | None:
    """The classifiers in a scratch file; None when there is none or it cannot be used, and is then made again."""
    try:
        tensors = load_file(path)
        readers = {}
        for kind in KINDS:
            readers[kind] = PatternNet(torch.Generator()).eval()
            own = {name.removeprefix(f"{kind}."): t for name, t in tensors.items() if name.startswith(f"{kind}.")}
            readers[kind].load_state_dict(own)
        return readers, tensors["confusion"].numpy()
    except FileNotFoundError:
        return None
    except (SafetensorError, RuntimeError, KeyError, OSError):
        path.unlink(missing_ok=True)
        return None
