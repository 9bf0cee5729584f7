"""Figures, tables and sentences from made-up records: what is drawn is what is stored, gaps are gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_up_records import KEPT, make_study
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from lottery_book import courses, sources, survivors
from lottery_utils.show import compute, frames, heatmaps, sentences, style, tables

TASKS, SEEDS = ("cola", "mrpc", "wnli"), (1337, 42, 86)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three tasks, three seeds, 4 layers of 6 heads; the search of WNLI is degenerate, and its data partial."""
    return make_study(tmp_path_factory.mktemp("store"), TASKS, SEEDS, degenerate=("wnli",))


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """One task, one seed, one method, no controls, 12 layers of 12 heads."""
    left_out = ("magnitude", "baseline", "random", "bad")
    return make_study(tmp_path_factory.mktemp("single"), ("rte",), (42,), 12, 12, leave_out=left_out)


@pytest.fixture(scope="module")
def results(study):
    return frames.results(study.table())


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


# analysis


def test_survival_over_seeds_is_the_mean_of_the_good_masks(study):
    frame = frames.component_survival(study, "structured")
    assert set(frame["task"]) == {"cola", "mrpc"}, "a degenerate search is a gap"
    found = heatmaps.over_seeds(frame[frame["task"] == "cola"])
    masks = []
    for seed in SEEDS:
        course = study.trajectory(f"cola/{seed}/search/structured/good")
        masks.append(course["heads"][np.flatnonzero(course["passed"])[-1]])
    assert np.allclose(found.heads, np.mean(masks, axis=0))
    assert np.allclose(found.std[:, :-1], np.std(masks, axis=0, ddof=1))
    assert found.heads.shape == (4, 6) and found.mlps.shape == (4,) and found.n == 3


def test_survival_across_tasks_counts_tasks_that_every_seed_has(study):
    frame = frames.component_survival(study, "structured")
    one_missing = frame[(frame["task"] != "mrpc") | (frame["seed"] != 42)]
    assert heatmaps.tasks_in_common(frame) == ["cola", "mrpc"]
    assert heatmaps.tasks_in_common(one_missing) == ["cola"]
    per_task = [heatmaps.over_seeds(frame[frame["task"] == task]).heads for task in ("cola", "mrpc")]
    assert np.allclose(heatmaps.over_tasks(frame)[0].heads, np.sum(per_task, axis=0))


def test_magnitude_survival_is_the_share_at_the_good_step(study):
    found = heatmaps.over_seeds(frames.component_survival(study, "magnitude").query("task == 'mrpc'"))
    assert 0.6 < found.heads.mean() < 0.85 and (found.std[:, -1] > 0).all()


def test_results_hold_every_score_once_and_no_degenerate_one(study, results):
    table = study.table()
    assert not results.duplicated(["task", "seed", *frames.CONDITION]).any()
    assert set(results.loc[results["task"] == "wnli", "treatment"]) == {"full", "baseline"}
    scored = table[table["stage"].isin(["finetune", "score", "retrain"]) & ~table["degenerate"]]
    kept = results[results["treatment"].isin(["full", "pruned", "retrained"])]
    assert sorted(kept["score"]) == sorted(scored["score"])


def test_shares_kept_and_sizes(study, results):
    there = {key: shares for key, shares in KEPT.items() if key[1] in study.preset.subnetworks}
    full = frames.choose(results, treatment="full").set_index(["task", "seed"])["score"]
    of_full = full.reindex(pd.MultiIndex.from_frame(results[["task", "seed"]]))
    kept = results.assign(kept=results["score"] / of_full.array)
    for (method, name), shares in there.items():
        for treatment, share in zip(("pruned", "retrained"), shares):
            assert frames.choose(kept, method, name, treatment)["kept"].to_numpy() == pytest.approx(share)
    size = survivors.sizes(sources.run_source(study), "magnitude").set_index("task")
    assert size.loc["cola", "prunable"] == pytest.approx(0.729, abs=1e-4) and "wnli" not in size.index


# figures


def test_course_marks_phases_failures_and_the_good_step(study):
    course = courses.search_course(study, "structured")
    figure = courses.structured_course(course, "cola")
    above = figure.axes[0]
    assert texts(above) == ["1", "2", "3"] and above.get_title() == "seed 1337"
    (points,) = (drawn for drawn in above.collections if isinstance(drawn, PathCollection))
    marked = zip(map(to_hex, points.get_facecolors()), points.get_offsets()[:, 0])
    bad, good = (style.COLOURS[kind].lower() for kind in ("bad", "good"))
    assert sorted(marked) == sorted([(bad, 4), (bad, 7), (good, 8), (bad, 9)])
    assert len(figure.axes) == 2 * len(SEEDS)


def test_other_figures_draw_at_all(study, tmp_path):
    style.apply_style()
    figures = {
        "importance": survivors.importance_of_tasks(study),
        "magnitude": courses.magnitude_courses(courses.search_course(study, "magnitude")),
    }
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    assert len(figures["magnitude"].axes) == 2


def test_one_task_one_seed_and_missing_methods_do_not_break_a_figure(single, tmp_path):
    figures = [
        survivors.importance_of_tasks(single),
        courses.structured_course(courses.search_course(single, "structured"), "rte"),
        courses.magnitude_courses(courses.search_course(single, "magnitude")),
    ]
    for number, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{number}.png")


def test_every_model_has_a_colour_and_a_name_of_its_own():
    assert len(set(style.COLOURS.values())) == len(set(style.NAMES.values())) == len(style.MODELS)


# tables and sentences


def test_tables_are_html_that_does_not_change_from_run_to_run(study, results):
    def made() -> list:
        return [
            tables.task_table(study),
            tables.dressed(results, "All", "all"),
        ]

    first, second = ([t.to_html() for t in made()] for _ in range(2))
    assert first == second and all("<caption>" in html for html in first)


def test_sentences_follow_the_records(study, single):
    assert "WNLI: no lead over a constant answer" in sentences.gap_sentence(study, "structured")
    assert sentences.gap_sentence(single, "magnitude") == "Gaps: RTE: not computed."
    assert sentences.gap_sentence(single, "structured") == "There is a search for every task and seed."
    assert "partial data for WNLI" in sentences.run_on(study)


def test_numbers_in_prose():
    shown = [sentences.as_text(value) for value in (0.123, 3, "a", None, float("nan"))]
    assert shown == ["0.12", "3", "a", "no number", "no number"]
    assert sentences.as_percent(0.916) == "92 %" and sentences.as_percent(float("nan")) == "no number"
    assert sentences.listed(["a", "b", "c"]) == "a, b and c" and sentences.listed([]) == "none"


def test_stored_records_are_found_from_a_folder_below_and_never_computed(tmp_path, monkeypatch):
    from lottery_utils.errors import UserError

    make_study(tmp_path / "records" / "x", ("rte",), (42,), preset="laptop", leave_out=("retrain", "control"))
    below = tmp_path / "notebooks"
    below.mkdir()
    monkeypatch.chdir(below)
    found = compute.stored_study("laptop", "records/x")
    assert found.preset.tasks == ("rte",) and "retrain" not in set(found.table()["stage"])
    with pytest.raises(UserError, match="no records in 'records/none'"):
        compute.stored_study("laptop", "records/none")


# averages over complete tasks, sizes of the data


def test_seeds_agree_over_tasks_that_have_them_all(study):
    frame = frames.component_survival(study, "structured")
    assert survivors.stability(frame[(frame["task"] != "mrpc") | (frame["seed"] != 42)]).tasks == 1


def test_task_table_shows_the_examples_used_here(study):
    shown = tables.task_table(study).data.set_index("task")
    assert shown.loc["CoLA", "train here"] == shown.loc["CoLA", "GLUE train"] == "8,551"
    assert shown.loc["WNLI (partial)", "dev here"] == "71"
