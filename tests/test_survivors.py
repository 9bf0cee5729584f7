"""Chapters 02 and 03: what components keep of their weights, in numbers."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_records import make_study

from lottery_book import published, side_by_side, sources, survivors
from lottery_utils.experiment.study import Study


@pytest.fixture(scope="module")
def one_task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    made = make_study(folder, ("rte",), (1337, 42), preset="demo")
    return sources.run_source(Study(made.preset, folder, stored=True))


def test_published_numbers_are_those_of_the_cells_by_hand():
    shares = survivors.weight_shares(sources.published_source())
    cells = published.table("magnitude_cells")
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
    assert np.isnan(survivors.weight_shares(missing)).all()


def test_a_source_without_the_task_of_the_others_shows_one_of_its_own(one_task, tmp_path, monkeypatch):
    monkeypatch.setattr(side_by_side, "common_task", lambda sources, method: "cola")
    printed, missing = sources.published_source(), sources.real_source(tmp_path / "nothing")
    figure = side_by_side.survival_maps([printed, missing, one_task], "structured")
    titles = [ax.get_title().splitlines()[-1] for ax in figure.axes[:3]]
    assert titles == ["CoLA, 5 seeds", "CoLA", "RTE, 2 seeds"]
