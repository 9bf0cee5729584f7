"""What a process has loaded and its cells share: task data and tokenised examples; and the model, read anew."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from torch import nn

from ..errors import UserError
from ..models.load import load_classifier, load_tokenizer
from ..models.source import model_name
from ..places import function_at
from ..presets import WORTH_SAYING, Preset, limits_of
from ..tasks.glue import find_task
from ..tasks.load import TaskData, halves, load_task, set_aside
from ..tasks.rows import Split
from ..training.batches import Encoded, encode, take


@dataclass(frozen=True)
class Examples(TaskData):
    """A task's data with train and dev tokenised (`Encoded`), and `held_out` of train, or None.

    `unknown`: the share of tokens, special ones apart, that the tokenizer does not know, of train or dev, whichever has
    more. `answers`: where other examples stand in the place of dev, what makes of logits (N, C) predictions (N,) and
    arrays to keep with them.
    """

    held_out: Encoded | None = None
    unknown: float = 0.0
    answers: Callable[[np.ndarray], tuple[np.ndarray, dict]] | None = None


@lru_cache(maxsize=1)
def task_data(preset: Preset, task: str, data_print: str) -> tuple[TaskData, Split | None]:
    """A task's texts and labels without the examples that the preset holds out of train, and those, or None.

    They are read again where another fingerprint is expected.
    """
    return set_aside(load_task(task, preset.data, limits_of(preset, task)), preset.held_out)


@lru_cache(maxsize=9)
def _examples(preset: Preset, task: str, model_print: str, data_print: str) -> Examples:
    found, held = task_data(preset, task, data_print)
    tokenizer, length = load_tokenizer(preset.model), preset.max_length
    train, dev = (encode(tokenizer, split, length) for split in (found.train, found.dev))
    kept = None if held is None else encode(tokenizer, held, length)
    unknown = max(unknown_share(tokenizer, split) for split in (train, dev))
    notes = (*found.notes, *_said_of_unknown(preset, task, unknown))
    about = vars(found) | {"train": train, "dev": dev, "notes": notes}
    return Examples(**about, held_out=kept, unknown=unknown)


def unknown_share(tokenizer, split: Encoded) -> float:
    """The share of a split's tokens, special ones apart, for which the tokenizer has no word.

    One without a token for the unknown leaves it out; then the share of examples of which nothing is left.
    """
    inner = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)  # has one that settings may not name
    name = tokenizer.unk_token or getattr(inner, "unk_token", None)
    if name is None:
        return float((_left(split, tokenizer.all_special_ids) == 0).mean())
    unknown = split.ids == tokenizer.convert_tokens_to_ids(name)
    words = unknown | ~np.isin(split.ids, tokenizer.all_special_ids)
    return float(unknown.sum() / max(1, words.sum()))


def _left(split: Encoded, special: list[int]) -> np.ndarray:
    """Tokens of each example, (N,), `special` ones apart."""
    before = np.concatenate([[0], np.cumsum(~np.isin(split.ids, special))])
    return np.diff(before[split.starts])


def _said_of_unknown(preset: Preset, task: str, share: float) -> tuple[str, ...]:
    """A note on so many unknown words, which is printed too; raises UserError for more than the preset allows."""
    tokenizer = f"the tokenizer of {model_name(preset.model)}"
    if share > preset.unknown_words:
        raise UserError(
            f"task {task}: {share:.0%} of its words are unknown to {tokenizer}, expected at most "
            f"{preset.unknown_words:.0%}; give a model that knows this language, or set unknown_words=1 to go on all "
            "the same"
        )
    if share < WORTH_SAYING:
        return ()
    note = f"{share:.0%} of the words are unknown to {tokenizer}"
    print(f"task {task}: {note}", file=sys.stderr)
    return (note,)


def examples(preset: Preset, task: str, model_print: str, data_print: str = "", part: str = "dev") -> Examples:
    """The task's examples, made by the tokenizer of the model; kept as long as these fingerprints are asked for.

    `part` says which stand in the place of dev, see `cells.part_of`.
    """
    found = _examples(preset, task, model_print, data_print)
    if part == "dev":
        return found
    if ":" in part:
        return function_at(part)(preset, found, model_print)
    if part == "held_out":
        return replace(found, dev=found.held_out, notes=(*found.notes, "dev: the held-out part of train"))
    rows = halves(task, len(found.dev))[part == "second"]
    note = f"dev: its {part} half, {len(rows)} of {len(found.dev)} examples"
    return replace(found, dev=take(found.dev, rows), notes=(*found.notes, note))


def classifier(preset: Preset, task: str, seed: int, init: str = "pretrained") -> nn.Module:
    """A fresh classifier of (task, seed) before any training, on the CPU."""
    kind = find_task(task, preset.data)
    shape = (kind.num_labels, seed, kind.regression, preset.dropout, init)
    return load_classifier(preset.model, *shape, keep_classifier=preset.keep_classifier)


def forget() -> None:
    """Empty the caches."""
    for cache in (task_data, _examples):
        cache.cache_clear()
