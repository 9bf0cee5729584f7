"""HANS, pairs that word overlap gets wrong: an out-of-distribution test of MNLI models (McCoy et al., 2019).

Its two classes and MNLI's three: "entailment" is MNLI's entailment, "non-entailment" is neutral or contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.errors import UserError, shown
from lottery_utils.experiment.stage_table import HANS_TASK
from lottery_utils.experiment.study import Study
from lottery_utils.presets import Preset
from lottery_utils.show.style import METHOD_NAMES, NAMES
from lottery_utils.show.tables import dressed
from lottery_utils.tasks.files import read_table
from lottery_utils.tasks.glue import Task, get_task
from lottery_utils.tasks.load import fingerprint
from lottery_utils.tasks.rows import Split, checked_rows

if TYPE_CHECKING:
    from lottery_utils.experiment.loaded import Examples
    from lottery_utils.training.batches import Encoded

LABELS = ("entailment", "non-entailment")
HEURISTICS = ("lexical_overlap", "subsequence", "constituent")
COLUMNS = ("sentence1", "sentence2", "gold_label", "heuristic")
SCORES = ("seed", "method", "subnetwork", "treatment", "score", "entailment", "non_entailment", *HEURISTICS)
ENTAILMENT = 0  # MNLI's class; the other two say that the hypothesis does not follow


@dataclass(frozen=True)
class Hans:
    """The examples of a HANS file: premise and hypothesis, labels (N,) into `LABELS`, heuristic (N,) into `HEURISTICS`.

    `fingerprint` depends on texts and labels only.
    """

    split: Split
    heuristics: np.ndarray
    fingerprint: str


def hans_task() -> Task:
    """MNLI's task with the two classes of HANS, scored by accuracy."""
    return replace(get_task(HANS_TASK), label_names=LABELS, label_values=LABELS)


def examples(preset: Preset, of_mnli: Examples, model_print: str) -> Examples:
    """MNLI's examples with HANS in the place of dev, of which `heuristic` (N,) is kept: what each example is about.

    Raises UserError without the file `preset.hans`, and for a task that has not MNLI's three classes.
    """
    if preset.hans is None or of_mnli.task.num_labels != 3:
        raise UserError("HANS needs hans=FILE, its heuristics_evaluation_set.txt, and MNLI with its three classes")
    dev, heuristics = _encoded(preset, model_print)
    notes = (*of_mnli.notes, "dev: HANS")
    return replace(of_mnli, task=hans_task(), dev=dev, notes=notes, answers=partial(_answers, heuristics))


@lru_cache(maxsize=1)
def _encoded(preset: Preset, model_print: str) -> tuple[Encoded, np.ndarray]:
    from lottery_utils.models.load import load_tokenizer
    from lottery_utils.training.batches import encode

    hans = read_hans(preset.hans)
    return encode(load_tokenizer(preset.model), hans.split, preset.max_length), hans.heuristics


def _answers(heuristics: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    return to_hans(logits), {"heuristic": heuristics}


def to_hans(logits: np.ndarray) -> np.ndarray:
    """HANS's classes (N,) from an MNLI model's logits (N, 3): not entailment is neutral or contradiction."""
    return (logits.argmax(axis=1) != ENTAILMENT).astype(np.int64)


def text_print(path: str | Path) -> str:
    """Fingerprint of the file's content. Raises UserError as `read_hans` does."""
    return read_hans(path).fingerprint


def read_hans(path: str | Path) -> Hans:
    """Read ``heuristics_evaluation_set.txt``: tab-separated, a header line, then a pair a line.

    Raises UserError naming the line for a missing file or column, a cut line, an unknown label or heuristic.
    """
    task = hans_task()
    table = read_table(Path(path).expanduser(), COLUMNS, spared=0.0).renamed((*task.columns, "label", "heuristic"))
    table = replace(table, columns={name: [*map(str.strip, cells)] for name, cells in table.columns.items()})
    split, empty = checked_rows(task, table)
    if empty:
        raise UserError(f"{table.where}: {table.places[empty[0]]} has an empty sentence; get the file again")
    heuristics = table.columns["heuristic"]
    for place, name in zip(table.places, heuristics):
        if name not in HEURISTICS:
            raise UserError(f"{table.where}: {place} has heuristic {shown(name)}, expected {' or '.join(HEURISTICS)}")
    return Hans(split, np.array([HEURISTICS.index(name) for name in heuristics], np.int64), fingerprint(split))


def scores(study: Study) -> pd.DataFrame:
    """Accuracy on HANS of every MNLI network scored there: columns `SCORES`, one row a seed and network.

    entailment and non_entailment are accuracies on the examples of that label, the heuristics' names those on the
    examples about them; a model that trusts word overlap has 1 and 0.
    """
    rows = []
    asked = study.preset.hans is not None and HANS_TASK in study.preset.tasks  # without, no model need be at hand
    for cell in study.cells(["hans", "hans_retrain"]) if asked else ():
        if not cell.stage.startswith("hans"):
            continue
        record, found, course = study.record(cell), study.predictions(cell), study.trajectory(cell)
        if record is None or found is None or course is None or record["degenerate"]:
            continue
        right, labels = found["predictions"] == found["labels"], found["labels"]
        parts = [right[labels == label] for label in (0, 1)]
        parts += [right[course["heuristic"] == number] for number in range(len(HEURISTICS))]
        means = [float(part.mean()) if len(part) else np.nan for part in parts]
        how = "full" if cell.subnetwork == "full" else "retrained" if cell.stage == "hans_retrain" else "pruned"
        rows.append((cell.seed, cell.method, cell.subnetwork, how, record["score"], *means))
    return pd.DataFrame(rows, columns=list(SCORES))


def table(found: pd.DataFrame) -> Styler | None:
    """One row per network of MNLI: accuracy on HANS, by label and by heuristic, means over seeds; None without HANS."""
    if found.empty:
        return None
    keys, heads = ["method", "subnetwork", "treatment"], {"score": "HANS", "non_entailment": "non-entailment"}
    means = found.drop(columns="seed").groupby(keys, sort=False).mean().rename(columns=heads)
    means = means.rename(columns=lambda name: name.replace("_", " "))
    formats = dict.fromkeys(means, "{:.3f}")
    frame = means.reset_index().rename(columns={"method": "pruning", "subnetwork": "model", "treatment": ""})
    frame = frame.replace({"pruning": METHOD_NAMES, "model": NAMES, "": {"full": ""}})
    caption = "Out of distribution: accuracy on HANS, whose examples punish a model that trusts word overlap. "
    caption += "Two classes, entailment against neutral or contradiction; means over seeds."
    return dressed(frame, caption, "hans", formats=formats)
