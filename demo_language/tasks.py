"""The nine tasks of the demo, with GLUE's columns and label ids, drawn from the demo language.

No train example is a dev example, and a dev example's first sentence is `reserved`: it is in no train set and in no
pre-training text (WNLI apart, whose sentence type is never pre-trained on and whose dev set repeats the premises of
the train set with the label turned, as GLUE's does).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random

from . import pair_tasks, single_tasks
from .language import reserved

# train and dev examples, ordered by size as GLUE's are
DEMO_SIZES = {
    "cola": (1120, 450),
    "sst2": (1140, 450),
    "mrpc": (700, 400),
    "stsb": (1100, 450),
    "qqp": (1180, 600),
    "mnli": (1200, 560),
    "qnli": (1160, 500),
    "rte": (500, 300),
    "wnli": (200, 71),
}
_TASKS: dict[str, tuple[tuple[str, ...], Callable]] = {
    "cola": (("sentence",), single_tasks.acceptability),
    "sst2": (("sentence",), single_tasks.sentiment),
    "mrpc": (("sentence1", "sentence2"), pair_tasks.paraphrase),
    "stsb": (("sentence1", "sentence2"), pair_tasks.similarity),
    "qqp": (("question1", "question2"), pair_tasks.duplicate_question),
    "mnli": (("premise", "hypothesis"), pair_tasks.inference),
    "qnli": (("question", "sentence"), pair_tasks.answers),
    "rte": (("sentence1", "sentence2"), pair_tasks.recognise_entailment),
    "wnli": (("sentence1", "sentence2"), pair_tasks.pronouns),
}


@cache
def demo_task(name: str) -> tuple[dict[str, list], dict[str, list]]:
    """Return (train, dev) of demo task `name` as columns, the same on every machine; do not change them in place."""
    columns, draw = _TASKS[name]
    train_size, dev_size = DEMO_SIZES[name]
    if name == "wnli":
        train, dev = _pronoun_rows(train_size, dev_size)
    else:
        train, dev = (_rows(name, draw, n, held_out) for n, held_out in ((train_size, False), (dev_size, True)))
    return tuple({c: list(v) for c, v in zip((*columns, "label"), zip(*rows))} for rows in (train, dev))


def _rows(name: str, draw: Callable, size: int, held_out: bool) -> list[tuple]:
    """Draw `size` different examples: the first sentence reserved when `held_out`, else none reserved."""
    rng, found = Random(f"demo {name} {'dev' if held_out else 'train'}"), {}
    while len(found) < size:
        row = draw(rng)
        if reserved(row[0]) if held_out else not any(map(reserved, row[:-1])):
            found.setdefault(row[:-1], row)
    return list(found.values())


def _pronoun_rows(train_size: int, dev_size: int) -> tuple[list[tuple], list[tuple]]:
    rng = Random("demo wnli")
    pairs = {}
    while len(pairs) < train_size:
        train, dev = pair_tasks.pronouns(rng, int(7 * len(pairs) % 16 < 7))
        pairs.setdefault(train[0], (train, dev))
    both = list(pairs.values())
    train, dev = [t for t, _ in both], [d for _, d in both[:dev_size]]
    rng.shuffle(train)
    return train, dev
