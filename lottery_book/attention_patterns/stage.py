"""Stage attention: patterns of the heads, fine-tuned and pre-trained, in the whole model and cut to super-survivors.

Every map of some dev examples is named by the classifier, and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from lottery_utils.disk import put
from lottery_utils.errors import UserError
from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.experiment.locks import claim
from lottery_utils.experiment.stage import fine_tuned, masks_found, set_size, timed
from lottery_utils.experiment.stage_table import STAGES
from lottery_utils.experiment.store import Store
from lottery_utils.experiment.work import Result, Work
from lottery_utils.models.attention_maps import attention_maps
from lottery_utils.models.compact import compact
from lottery_utils.presets import Preset
from lottery_utils.pruning.controls import structured_control
from lottery_utils.training.batches import Encoded, collate
from lottery_utils.training.device import derived_seed
from lottery_utils.training.evaluate import model_device

from .classifier import STEPS, PatternNet, classify, held_out, train, training_sizes, validate
from .rules import KINDS, NETWORKS, PATTERNS, WEIGHTS

ENTRIES = 150_000  # entries of one head's maps that are held at a time
Array = np.ndarray


def run_attention(work: Work, result: Result) -> None:
    """Name and count the maps of every head on some dev examples (paper, section 5; protocol: Attention patterns).

    The result's arrays: `counts` int32 (weights, networks, kinds, layers, heads, types), in the order of `WEIGHTS`,
    `NETWORKS`, `KINDS` and `PATTERNS`; `super_heads` bool (layers, heads), those that survive in every seed; `rows`
    and `tokens` (N,) of the examples; `confusion` (kinds, 2, types, types) of the classifiers on held-out maps, like
    those trained on and harder; `example_maps`, `example_tokens` and `example_places`, see `Gallery`. In "cut" the
    model is reduced to the heads and MLPs that survive in every seed,
    as the authors did it; after a degenerate search that part is empty.
    """
    preset = work.preset
    model, data = fine_tuned(work, result)
    rng = numpy_generator_for(work.address(), "attention")
    result.mask = structured_control("super", None, rng, seeds=masks_found(work, result))
    set_size(result, model, result.mask)
    with timed(result, "classifier"):
        readers, confusion = classifiers(preset, work.store)
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


def classifiers(preset: Preset, store: Store) -> tuple[dict[str, PatternNet], np.ndarray]:
    """The classifiers of each kind and their confusion (kinds, 2, types, types), made once for a store and settings.

    They are shared by all its cells. Raises UserError where the preset's token limits are of no use.
    """
    if preset.attention_min_tokens > preset.attention_max_tokens:
        raise UserError(
            f"attention_min_tokens {preset.attention_min_tokens} is above attention_max_tokens "
            f"{preset.attention_max_tokens}"
        )
    sizes = training_sizes(preset.attention_min_tokens, preset.attention_max_tokens)
    about = {"rules": STAGES["attention"].version, "steps": STEPS, "sizes": sizes, "torch": torch.__version__}
    key = "attention-" + hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    made = [_made_once(kind, sizes, store, key) for kind in KINDS]
    return {kind: reader for kind, (reader, _) in zip(KINDS, made, strict=True)}, np.stack([each for _, each in made])


def _made_once(kind: str, sizes: list[int], store: Store, key: str) -> tuple[PatternNet, np.ndarray]:
    """The classifier of one kind and its confusion, from the store's scratch folder: the first worker makes them."""
    path = store.scratch(key) / f"{kind}.safetensors"
    while (made := _load(path)) is None:
        with claim(store.root, f"{key}-{kind}", wait=True):
            if not path.is_file():
                reader, confusion = _train(kind, sizes)
                tensors = {**reader.state_dict(), "confusion": torch.from_numpy(confusion)}
                put(path, lambda part, tensors=tensors: save_file(tensors, part))
    return made


def _train(kind: str, sizes: list[int]) -> tuple[PatternNet, np.ndarray]:
    """The classifier of one kind of maps, and its confusion (2, types, types) on held-out maps and on harder ones."""
    seed = derived_seed("attention classifier", kind) % 2**31
    reader = train(kind, sizes, seed)
    tests = (held_out(kind, sizes, seed), held_out(kind, sizes, seed, hard=True))
    return reader, np.stack([validate(reader, batches) for batches in tests]).astype(np.int64)


def _load(path: Path) -> tuple[PatternNet, np.ndarray] | None:
    """The classifier in a scratch file; None when there is none or it cannot be used, and is then made again."""
    try:
        tensors = load_file(path)
        confusion = tensors.pop("confusion").numpy()
        reader = PatternNet(torch.Generator()).eval()
        reader.load_state_dict(tensors)
        return reader, confusion
    except FileNotFoundError:
        return None
    except (SafetensorError, RuntimeError, KeyError, OSError):
        path.unlink(missing_ok=True)
        return None


def choose_examples(encoded: Encoded, count: int, least: int, most: int, rng: np.random.Generator) -> Array:
    """Rows of up to `count` examples of `least` to `most` tokens, drawn without replacement, in order."""
    fit = np.flatnonzero((encoded.lengths >= least) & (encoded.lengths <= most))
    return np.sort(rng.permutation(fit)[:count])


class Gallery:
    """One map of each kind and type, drawn at random from all that were so named: an example, not the best one."""

    def __init__(self, size: int, rng: np.random.Generator):
        """`size`: tokens of the longest example."""
        shape = (len(KINDS), len(PATTERNS))
        self.rng, self.size = rng, size
        self.maps = np.zeros((*shape, size, size), np.float16)
        self.tokens = np.zeros(shape, np.int32)
        self.places = np.full((*shape, 3), -1, np.int32)
        self.luck = np.zeros(shape)

    def offer(self, kind: int, labels: Array, maps: torch.Tensor, places: Array) -> None:
        """Consider maps (M, n, n) named `labels` (M,), from `places` (M, 3): layer, head, row of the dev set."""
        draw = 1 - self.rng.random(len(labels))  # above 0
        for label in range(len(PATTERNS)):
            own = np.where(labels == label, draw, 0)
            best = int(own.argmax())
            if own[best] > self.luck[kind, label]:
                n = maps.shape[-1]
                shown = maps[best].cpu().numpy()
                self.maps[kind, label] = 0
                self.maps[kind, label, :n, :n] = shown / (shown.max() or 1.0)
                self.luck[kind, label], self.tokens[kind, label] = own[best], n
                self.places[kind, label] = places[best]


@torch.no_grad()
def count_patterns(
    model: nn.Module,
    encoded: Encoded,
    rows: Array,
    readers: dict[str, nn.Module],
    shape: tuple[int, int],
    gallery: Gallery | None = None,
) -> Array:
    """Name every head's map on each of `rows`, and count: int32 (kinds, layers, heads, types).

    `readers` has a classifier for each of `KINDS`; `shape` is (layers, heads) of the whole model. A head that is not
    there has no maps and counts 0. Token types are given as in training.
    """
    counts = np.zeros((len(KINDS), *shape, len(PATTERNS)), np.int32)
    device = model_device(model)
    readers = {kind: net.to(device) for kind, net in readers.items()}
    for part in _equally_long(encoded, rows):
        layers = attention_maps(model, collate(encoded, part, device).inputs)
        if not layers:
            continue
        places = np.concatenate([_places(found.layer, found.heads.numpy(), part) for found in layers])
        for k, kind in enumerate(KINDS):
            maps = torch.cat([getattr(found, kind)().flatten(0, 1) for found in layers])
            labels = classify(readers[kind], maps)
            np.add.at(counts, (k, places[:, 0], places[:, 1], labels), 1)
            if gallery is not None:
                gallery.offer(k, labels, maps, places)
    return counts


def _places(layer: int, heads: Array, rows: Array) -> Array:
    """(layer, head, row) of the maps of one layer, in the order of its batch: examples, then heads."""
    return np.stack(
        [np.full(len(rows) * len(heads), layer), np.tile(heads, len(rows)), np.repeat(rows, len(heads))], axis=1
    )


def _equally_long(encoded: Encoded, rows: Array) -> Iterator[Array]:
    """`rows` in batches of one length each: a map is as large as its example, and nothing is padded."""
    lengths = encoded.lengths[rows]
    for length in np.unique(lengths):
        same = rows[lengths == length]
        size = max(1, ENTRIES // int(length) ** 2)
        for begin in range(0, len(same), size):
            yield same[begin : begin + size]
