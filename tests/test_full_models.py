"""Chapter 01: leads over a constant answer, the ceiling, scores by source; the package's code quoted by name."""

from __future__ import annotations

import inspect

import pandas as pd
import pytest

from lottery_book import full_models, sources
from lottery_utils.show import source
from lottery_utils.show.frames import RESULT
from lottery_utils.training import finetune


def run(scores: dict[str, tuple[float, float]]) -> sources.Source:
    """Full model and majority score by task, two seeds that lie 0.02 apart."""
    rows = []
    for task, (full, least) in scores.items():
        rows.append((task, task, "accuracy", 0, "", "majority", "baseline", least))
        rows += [(task, task, "accuracy", s, "", "full", "full", full + 0.01 * (2 * s - 3)) for s in (1, 2)]
    return sources.Source("this run", "made up", pd.DataFrame(rows, columns=RESULT), pd.DataFrame())


def test_the_ceiling_counts_tasks_with_a_lead_only():
    source = run({"sst2": (0.97, 0.5), "rte": (0.6, 0.5), "wnli": (0.96, 0.98)})
    assert full_models.at_ceiling(source) == "1 of 2"
    assert full_models.full_and_majority(source).loc["wnli", "lead"] == pytest.approx(-0.02)
    assert full_models.score_on(source, "sst2") == "0.970" and full_models.score_on(source, "cola") == sources.NO_RECORD


def test_scores_stand_side_by_side_with_their_deviations(tmp_path):
    three = [sources.published_source(), sources.real_source(tmp_path / "nothing"), run({"rte": (0.6, 0.5)})]
    shown = full_models.full_table(three).data.set_index("task")
    assert list(shown.loc["RTE"]) == ["0.632 ± 0.031", "–", "0.600 ± 0.014"] and len(shown) == 9
    assert full_models.at_ceiling(three[1]) == "0 of 0"


def test_quoted_code_is_the_packages():
    block = source("lottery_utils.training.finetune:plain_steps").data
    assert block == source(finetune.plain_steps).data
    assert (
        inspect.getsource(finetune.plain_steps) in block and block.startswith("```python\n") and block.endswith("\n```")
    )
