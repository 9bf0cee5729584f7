"""Chapters 02 and 03: what components keep of their weights, in numbers."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_records import make_study

from lottery_book import published, sources, survivors
from lottery_utils.experiment.study import Study


@pytest.fixture(scope="module")
def one_task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    made = make_study(folder, ("rte",), (1337, 42), preset="demo")
    return sources.run_source(Study(made.preset, folder, stored=True))


def test_published_numbers_are_those_of_the_cells_by_hand():
    shares = survivors.weight_shares(sources.published_source())
    cells = published.magnitude_cells()
    by_task = cells[cells["task"] != "wnli"].groupby("task")["mean"]
    assert shares.components == pytest.approx(by_task.std().mean())
    wide = cells[cells["task"] != "wnli"].pivot(index=["component", "layer", "head"], columns="task", values="mean")
    pairs = wide.corr().to_numpy()[np.triu_indices(8, 1)]
    assert shares.alike == pytest.approx(pairs.mean()) and shares.alike > 0.95


def test_one_task_has_no_correlation_and_no_record_no_numbers(one_task, tmp_path):
    shares = survivors.weight_shares(one_task)
    cells = one_task.maps("magnitude")["rte"].mean
    assert shares.components == pytest.approx(cells.std(ddof=1)) and np.isnan(shares.alike)
    missing = sources.real_source(tmp_path / "nothing")
    assert survivors.weight_shares(missing) is None
    assert {survivors.maps_alike(source) for source in (one_task, missing)} == {"it takes two tasks"}
