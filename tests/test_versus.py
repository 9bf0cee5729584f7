"""Chapters 05 and 06: bad subnetworks and simple models by lead kept, longer training; super-survivors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lottery_book import bad_vs_baselines as versus
from lottery_book import side_by_side, sources, super_survivors
from lottery_book.real_study import kept_number
from lottery_utils.show.frames import RESULT
from lottery_utils.show.leads import leads as frames_of_leads
from lottery_utils.tasks.glue import TASKS

FULL, LEAST = 0.9, 0.5
BAD = {"rte": (0.7, 0.6), "mrpc": (0.55, 0.8), "qqp": (0.5, 0.5)}  # s-pruning, m-pruning


def results(tasks=("rte", "mrpc", "qqp"), seeds=(1, 2), longer: float | None = 0.02) -> pd.DataFrame:
    """Made-up scores: bag of words at 0.65, bad as in `BAD`, `longer` above that when trained longer."""
    rows = []

    def add(task, seed, method, subnetwork, treatment, score):
        rows.append((task, TASKS[task].title, "accuracy", seed, method, subnetwork, treatment, score))

    for task in tasks:
        add(task, 0, "", "majority", "baseline", LEAST)
        add(task, 0, "", "bag_of_words", "baseline", 0.65)
        for seed in seeds:
            add(task, seed, "", "full", "full", FULL)
            add(task, seed, "", "cbow", "baseline", 0.6)
            for method, score in zip(("structured", "magnitude"), BAD[task], strict=True):
                add(task, seed, method, "bad", "retrained", score + 0.01 * (seed - 1.5))
                if longer is not None:
                    add(task, seed, method, "bad", "retrained longer", score + longer + 0.01 * (seed - 1.5))
    return pd.DataFrame(rows, columns=RESULT)


def lead(score: float) -> float:
    return (score - LEAST) / (FULL - LEAST)


def test_leads_are_those_of_means_over_seeds_on_the_tasks_that_have_every_condition():
    whole = versus.leads(results())
    assert whole["structured", "bad", "retrained"]["rte"] == pytest.approx(lead(0.7))
    assert whole["", "cbow", "baseline"]["mrpc"] == pytest.approx(lead(0.6))
    assert set(whole.columns.get_level_values("subnetwork")) == {"bag_of_words", "cbow", "bad"}
    part = results()
    part = part[(part["task"] != "qqp") | (part["subnetwork"] != "cbow")]
    assert set(versus.leads(part).index) == {"rte", "mrpc"}
    hopeless = results()
    hopeless.loc[(hopeless["task"] == "rte") & (hopeless["subnetwork"] == "full"), "score"] = LEAST
    assert set(versus.leads(hopeless).index) == {"mrpc", "qqp"}
    assert versus.leads(results().iloc[:0]).empty


def test_bad_ones_are_counted_where_they_beat_a_constant_answer():
    assert versus.above_majority(results()) == (2, 3) and versus.above_majority(results().iloc[:0]) == (0, 0)
    over = versus.over(results(), "cbow")
    assert over.mean == pytest.approx(100 * np.mean([lead(s) - lead(0.6) for s, _ in BAD.values()])) and over.tasks == 3
    assert versus.over(results(), "bilstm").tasks == 0


def test_longer_training_is_counted_in_points_of_lead():
    gained = versus.longer_effect(results(longer=0.02), "magnitude")
    assert gained.mean == pytest.approx(100 * 0.02 / (FULL - LEAST)) and gained.tasks == 3
    assert gained.word == "above" and versus.longer_effect(results(longer=None), "magnitude").tasks == 0


def test_every_row_and_line_is_drawn_once():
    mine = sources.Source("this run", "made up", results(), pd.DataFrame())
    published, ours = versus.compared([sources.published_source(), mine]).axes
    said = [text.get_text() for text in published.texts]
    assert said.count(versus.NOT_RELEASED) == 4 and said.count(sources.NOT_IN_PAPER) == 1 and "62" in said
    assert [text.get_text() for text in ours.texts].count(sources.NO_RECORD) == 3
    hopeless = results(("rte",)).replace({"score": {FULL: LEAST}})
    (nothing,) = versus.compared([sources.Source("this run", "made up", hopeless, pd.DataFrame())]).axes
    assert [text.get_text() for text in nothing.texts] == [sources.NO_RECORD] * len(versus.COMPARED)
    lines = versus.longer_lines(results()).axes
    assert len(lines) == 3 and all(len(ax.lines) == 2 + 4 for ax in lines)
    assert "Nothing to show" in versus.longer_lines(results().iloc[:0]).axes[0].texts[0].get_text()


def test_the_published_numbers_of_the_answer():
    results = sources.published_source().results
    assert versus.above_majority(results) == (7, 8)
    kept = versus.leads(results).mean().groupby("method").mean()
    assert kept["structured"] == pytest.approx(0.62, abs=0.005) and kept["magnitude"] == pytest.approx(0.22, abs=0.005)


# super-survivors


def super_results(tasks=("rte", "mrpc", "qqp")) -> pd.DataFrame:
    """Good ones keep the full score, super-survivors 0.8, controls less; pruned, everything loses 0.1."""
    rows = [r for r in results(tasks, longer=None).itertuples(index=False) if r.subnetwork in ("majority", "full")]
    score = {"good": 0.9, "super": 0.8, "super_random": 0.6, "super_bad": 0.55}
    for task in tasks:
        for name, value in score.items():
            for treatment, less in (("pruned", 0.1), ("retrained", 0.0)):
                for seed in (1, 2):
                    rows.append(
                        (task, TASKS[task].title, "accuracy", seed, "structured", name, treatment, value - less)
                    )
    return pd.DataFrame(rows, columns=RESULT)


def source_of(results: pd.DataFrame, kind="this run") -> sources.Source:
    return sources.Source(kind, "made up", results, frames_of_leads(results))


def test_super_survivors_are_compared_over_tasks_that_have_all_of_them():
    ours = super_survivors.with_supers(source_of(super_results()))
    assert kept_number(ours, "structured", "super") == "75\N{NO-BREAK SPACE}%"
    over = super_survivors.over_random(ours)
    assert over.mean == pytest.approx(100 * (lead(0.8) - lead(0.6))) and over.tasks == 3
    part = super_results()
    part = part[(part["task"] != "qqp") | (part["subnetwork"] != "super_bad")]
    assert set(super_survivors.with_supers(source_of(part)).leads["task"]) == {"rte", "mrpc"}
    without = part[part["subnetwork"] != "super"]
    nothing = super_survivors.with_supers(source_of(without))
    assert nothing.leads.empty and kept_number(nothing, "structured", "super", "pruned") == sources.NO_RECORD


def test_leads_of_the_sources_stand_side_by_side():
    three = [sources.published_source(), source_of(super_results(("rte", "mrpc")))]
    with_supers = [super_survivors.with_supers(source) for source in three]
    published, ours = side_by_side.headline(with_supers, ["structured"], super_survivors.ROWS).axes
    assert "62" in [text.get_text() for text in published.texts]
    assert len(published.get_yticklabels()) == 4 and "75" in [text.get_text() for text in ours.texts]


def test_super_sizes_stand_beside_the_good_ones(tmp_path):
    sizes = super_survivors.super_sizes(sources.published_source()).set_index("task")
    assert "wnli" not in sizes.index and sizes.loc["mrpc", "super_heads"] == 28
    assert sizes.loc["mrpc", "super_heads"] < sizes.loc["mrpc", "good_heads"] < super_survivors.BERT_HEADS
    three = sources.published_source(), sources.real_source(tmp_path / "nothing")
    shown = super_survivors.size_table(three).data.set_index("task")
    assert list(shown.columns) == ["published: heads", "published: MLPs"]
    assert shown.loc["MRPC", "published: heads"] == "89.4 / 28"
