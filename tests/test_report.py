"""Figures, tables and sentences from made-up records: what is drawn is what is stored, gaps are gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_up_records import KEPT, full_score, make_study

from lottery_utils.experiment.cells import full
from lottery_utils.show import bars, courses, frames, glue, heatmaps, scores, sentences, stored, style, survival, tables

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
    return scores.results(study.table())


@pytest.fixture(scope="module")
def three(results):
    """The scores with a third task, equal to the second."""
    return pd.concat([results, results[results["task"] == "mrpc"].assign(task="rte", title="RTE")], ignore_index=True)


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


# analysis


def test_survival_over_seeds_is_the_mean_of_the_good_masks(study):
    frame = frames.component_survival(study, "structured")
    assert set(frame["task"]) == {"cola", "mrpc"}, "a degenerate search is a gap"
    found = survival.over_seeds(frame, "cola")
    masks = []
    for seed in SEEDS:
        course = study.trajectory(f"cola/{seed}/search/structured/good")
        masks.append(course["heads"][np.flatnonzero(course["passed"])[-1]])
    assert np.allclose(found.heads, np.mean(masks, axis=0))
    assert np.allclose(found.heads_std, np.std(masks, axis=0, ddof=1))
    assert found.heads.shape == (4, 6) and found.mlps.shape == (4,) and found.n == 3


def test_survival_across_tasks_counts_tasks_that_every_seed_has(study):
    frame = frames.component_survival(study, "structured")
    one_missing = frame[(frame["task"] != "mrpc") | (frame["seed"] != 42)]
    assert survival.tasks_in_common(frame) == ["cola", "mrpc"]
    assert survival.tasks_in_common(one_missing) == ["cola"]
    per_task = [survival.over_seeds(frame, task).heads for task in ("cola", "mrpc")]
    assert np.allclose(survival.over_tasks(frame).heads, np.sum(per_task, axis=0))


def test_magnitude_survival_is_the_share_at_the_good_step(study):
    found = survival.over_seeds(frames.component_survival(study, "magnitude"), "mrpc")
    assert 0.6 < found.heads.mean() < 0.85 and (found.mlps_std > 0).all()


def test_results_hold_every_score_once_and_no_degenerate_one(study, results):
    table = study.table()
    assert not results.duplicated(["task", "seed", *scores.CONDITION]).any()
    assert set(results.loc[results["task"] == "wnli", "treatment"]) == {"full", "baseline"}
    scored = table[table["stage"].isin(["finetune", "score", "retrain"]) & ~table["degenerate"]]
    kept = results[results["treatment"].isin(["full", "pruned", "retrained"])]
    assert sorted(kept["score"]) == sorted(scored["score"])


def test_kept_margins_sizes_and_comparisons(study, results):
    there = {key: shares for key, shares in KEPT.items() if key[1] in study.preset.subnetworks}
    for (method, name), shares in there.items():
        for treatment, share in zip(("pruned", "retrained"), shares):
            assert scores.mean_kept(results, method, name, treatment) == pytest.approx(share)
    margins = scores.margins(results).set_index("task")
    mean = np.mean([full_score(full("mrpc", seed)) for seed in SEEDS])
    assert margins.loc["mrpc", "above_majority"] == pytest.approx(mean - 0.5)
    size = scores.sizes(study.table()).set_index(["method", "task"])
    assert size.loc[("magnitude", "cola"), "share_prunable"] == pytest.approx(0.729, abs=1e-4)
    assert "wnli" not in size.index.get_level_values("task")
    found = scores.compare(results, "structured", ("good", "pruned"), ("bad", "pruned"))
    assert found.mean == pytest.approx(0.37) and (found.wins, found.tasks) == (2, 2)


def test_comparison_needs_three_tasks_and_an_interval_off_zero(results, three):
    two = results[results["task"] != "wnli"]
    pair = (("good", "pruned"), ("bad", "pruned"))
    assert scores.compare(two, "structured", *pair).word == "not testable"
    assert scores.compare(three, "structured", *reversed(pair)).word == "below"
    assert scores.compare(results, "structured", ("super", "pruned"), ("bad", "pruned")).tasks == 0
    mixed = three.copy()
    other = (mixed["task"] == "cola") & (mixed["subnetwork"] == "bad")
    mixed.loc[other, "score"] *= 2
    assert scores.compare(mixed, "structured", *pair).word == "undecided"


# figures


@pytest.mark.parametrize("method", ["structured", "magnitude"])
def test_one_bar_for_each_stored_condition(study, results, method):
    figure = bars.subnetwork_bars(results, study.table(), method)
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title().split(":")[0] for ax in panels] == ["CoLA", "MRPC", "WNLI (partial)"]
    expected = scores.summary(results)
    expected = expected[(expected["method"] == method) | expected["subnetwork"].isin(["full", "majority"])]
    for ax, task in zip(panels, TASKS):
        rows = expected[expected["task"] == task]
        assert len(ax.patches) == len(rows)
        assert sorted(patch.get_height() for patch in ax.patches) == pytest.approx(sorted(rows["mean"]))
        assert len({container.get_label() for container in ax.containers}) == len(rows)
    assert texts(panels[2]).count("gap") == 3, "WNLI's subnetworks are gaps"


def test_each_bar_has_the_height_of_its_own_label(results, study):
    """The authors' figure drew the good subnetworks' scores under the label of the random ones."""
    ax = bars.subnetwork_bars(results, study.table(), "structured").axes[0]
    means = scores.summary(results).query("task == 'cola'")
    for container in ax.containers:
        name, _, treatment = container.get_label().partition(", ")
        if treatment:
            row = means.query("method == 'structured' and subnetwork == @name and treatment == @treatment")
            assert container.patches[0].get_height() == pytest.approx(row["mean"].item())


def test_random_by_layer_stands_beside_random_where_it_was_run(results, tmp_path):
    made = make_study(tmp_path, ("cola", "mrpc"), (42,), preset="base")
    own = scores.results(made.table())
    ax = bars.subnetwork_bars(own, made.table(), "structured").axes[0]
    ticks = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
    assert ticks == ["majority", "full model", "good", "random", "by layer", "bad"]
    kept = "random by layer ones 75 % pruned and 93 % retrained"
    assert kept in sentences.kept_sentence(own, "structured")
    rows = tables.results_table(own, "x", "x").data.set_index("model").loc["random by layer"]
    assert rows["share of full"].tolist() == ["75 %", "93 %", "60 %", "65 %"]
    assert "good pruned minus random by layer pruned is +17 points" in sentences.layer_sentence(own, "structured")
    assert sentences.layer_sentence(results, "structured") == ""
    assert "by layer" not in sentences.kept_sentence(results, "structured")


def test_bars_say_how_much_is_left_and_show_seeds_and_legend(study, results):
    figure = bars.subnetwork_bars(results, study.table(), "magnitude")
    assert figure.axes[0].get_title() == "CoLA: 73 ± 0 % left"
    assert sum(len(dots.get_offsets()) for dots in figure.axes[0].collections) == 3 * 7
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["majority", "full model"] and labels[-1] == "one seed" and len(labels) == 9


def test_maps_of_all_tasks_have_a_panel_for_gaps(study):
    frame = frames.component_survival(study, "structured")
    missing = frames.gaps(study, "structured").titles
    assert missing == ["WNLI"]
    figure = heatmaps.survival_of_tasks(frame, "structured", missing)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["CoLA (3 seeds)", "MRPC (3 seeds)", "WNLI"] and texts(figure.axes[2]) == ["gap"]


def test_course_marks_phases_failures_and_the_good_step(study):
    course = frames.search_course(study, "structured")
    figure = courses.structured_course(course, "cola")
    above = figure.axes[0]
    assert texts(above) == ["1", "2", "3"] and above.get_title() == "seed 1337"
    points = {line.get_marker(): line.get_xdata() for line in above.lines}
    assert list(points["x"]) == [4, 7, 9] and list(points["D"]) == [8]
    assert len(figure.axes) == 2 * len(SEEDS)


def test_other_figures_draw_at_all(study, tmp_path):
    style.apply_style()
    frame = frames.component_survival(study, "structured")
    figures = {
        "across": heatmaps.survival_across_tasks(frame),
        "importance": heatmaps.importance_of_tasks(frames.component_importance(study)),
        "magnitude": courses.magnitude_courses(frames.search_course(study, "magnitude")),
        "loss": courses.loss_curves(frames.training_loss(study)),
        "baselines": bars.baseline_bars(scores.results(study.table())),
    }
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    assert len(figures["loss"].axes) == 3 and len(figures["magnitude"].axes) == 2


def test_one_task_one_seed_and_missing_methods_do_not_break_a_figure(single, tmp_path):
    table = single.table()
    results = scores.results(table)
    frame = frames.component_survival(single, "structured")
    empty = frames.component_survival(single, "magnitude")
    figures = [
        heatmaps.survival_of_tasks(frame, "structured"),
        heatmaps.survival_across_tasks(frame),
        heatmaps.survival_of_tasks(empty, "magnitude"),
        heatmaps.survival_across_tasks(empty),
        courses.structured_course(frames.search_course(single, "structured"), "rte"),
        courses.magnitude_courses(frames.search_course(single, "magnitude")),
        bars.subnetwork_bars(results, table, "structured"),
        bars.subnetwork_bars(results, table, "magnitude"),
        bars.baseline_bars(results),
    ]
    for number, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{number}.png")
    assert "±" not in figures[6].axes[0].get_title()
    assert len(figures[7].axes[0].patches) == 2


def test_published_bars_never_look_like_ours():
    assert style.PUBLISHED["facecolor"] == "none" and style.PUBLISHED["hatch"]
    assert len(set(style.COLOURS.values())) == len(style.COLOURS)
    assert set(style.NAMES) == set(style.COLOURS)


# tables and sentences


def test_tables_are_html_that_does_not_change_from_run_to_run(study, results):
    table = study.table()

    def made() -> list:
        return [
            tables.task_table(study),
            tables.results_table(results, "All", "all"),
            tables.seed_table(results, "Seeds", "seeds"),
            tables.margin_table(results),
            tables.size_table(table, "structured"),
            tables.size_table(table, "magnitude"),
            tables.provenance_table(study),
        ]

    first, second = ([t.to_html() for t in made()] for _ in range(2))
    assert first == second and all("<caption>" in html for html in first)


def test_results_table_has_a_row_a_condition_and_gaps(results):
    data = tables.results_table(results, "All", "all").data
    assert list(data.columns) == ["pruning", "model", "", "CoLA", "MRPC", "WNLI (partial)", "share of full"]
    assert len(data) == 4 + 2 * 3 * 2
    good = data[(data["pruning"] == "s-pruning") & (data["model"] == "good")]
    assert good["share of full"].tolist() == ["92 %", "98 %"] and good["WNLI (partial)"].isna().all()


def test_tables_of_an_unfinished_study_have_gaps_only(single):
    table = single.table()
    assert tables.size_table(table, "magnitude").data.empty
    assert "–" not in tables.provenance_table(single).data["this run"].tolist()
    tables.results_table(scores.results(table), "All", "all").to_html()
    tables.margin_table(scores.results(table)).to_html()


def test_sentences_follow_the_records(study, single, results, three):
    table = study.table()
    assert "WNLI: the full model does not beat the majority score" in sentences.gap_sentence(study, "structured")
    assert sentences.gap_sentence(single, "magnitude") == "Gaps: RTE: not computed."
    assert sentences.gap_sentence(single, "structured") == "There is a search for every task and seed."
    assert "good ones 92 % pruned and 98 % retrained" in sentences.kept_sentence(results, "structured")
    said = sentences.comparison_sentence(three, "structured", ("good", "pruned"), ("random", "pruned"))
    assert said.startswith("This run shows it: good pruned minus random pruned is +22 points")
    assert "3 of 3 tasks" in said
    swapped = sentences.comparison_sentence(three, "structured", ("random", "pruned"), ("good", "pruned"))
    assert swapped.startswith("This run shows the opposite")
    others = results.replace({"random": "super_random"})
    said = sentences.comparison_sentence(others, "structured", ("good", "pruned"), ("super_random", "pruned"))
    assert "good pruned minus super random pruned is +22 points" in said
    assert "from 73 % on" in sentences.size_sentence(table, "magnitude")
    assert "cannot say" in sentences.stability_sentence(frames.component_survival(single, "structured"))
    assert "Of 24 heads" in sentences.stability_sentence(frames.component_survival(study, "structured"))
    assert "3 of 3 tasks" in sentences.margin_sentence(results)
    assert "partial data for WNLI" in sentences.run_on(study)
    assert sentences.kept_sentence(results.iloc[:0], "magnitude").startswith("There is no subnetwork")


def test_numbers_in_prose():
    shown = [glue.as_text(value) for value in (0.123, 3, "a", None, float("nan"))]
    assert shown == ["0.12", "3", "a", "no number", "no number"]
    assert glue.as_percent(0.916) == "92 %" and glue.as_percent(float("nan")) == "no number"
    assert glue.listed(["a", "b", "c"]) == "a, b and c" and glue.listed([]) == "none"


def test_stored_records_are_found_from_a_folder_below_and_never_computed(tmp_path, monkeypatch):
    from lottery_utils.errors import UserError

    make_study(tmp_path / "records" / "x", ("rte",), (42,), preset="laptop", leave_out=("retrain", "control"))
    below = tmp_path / "notebooks"
    below.mkdir()
    monkeypatch.chdir(below)
    found = stored.stored_study("laptop", "records/x")
    assert found.preset.tasks == ("rte",) and "retrain" not in set(found.table()["stage"])
    with pytest.raises(UserError, match="no records in 'records/none'"):
        stored.stored_study("laptop", "records/none")


# averages over complete tasks, sizes of the data, score axes


def test_averages_are_over_tasks_with_every_seed(study, results):
    lacking = (results["task"] == "mrpc") & (results["seed"] == 42) & (results["subnetwork"] == "bad")
    fewer = results[~(lacking & (results["treatment"] == "retrained") & (results["method"] == "structured"))]
    assert scores.complete_tasks(results, "structured") == ["cola", "mrpc"], "WNLI's searches are degenerate"
    assert scores.complete_tasks(fewer, "structured") == ["cola"]
    assert scores.complete_tasks(fewer, "magnitude") == ["cola", "mrpc"]
    assert scores.complete_tasks(fewer, "") == list(TASKS)
    assert "keep on CoLA (left out, not there for every seed: MRPC): " in sentences.kept_sentence(fewer, "structured")
    assert "on average over 2 tasks" in sentences.kept_sentence(fewer, "magnitude")
    assert scores.complete_tasks(fewer[fewer["task"] == "mrpc"], "structured") == []
    assert sentences.kept_sentence(fewer[fewer["task"] == "mrpc"], "structured").startswith("No task has every seed")
    caption = tables.results_table(fewer, "All.", "all").caption
    assert caption.endswith("is there: MRPC and WNLI (partial) for s-pruning; WNLI (partial) for m-pruning.")
    table = study.table()
    table = table[(table["task"] != "mrpc") | (table["seed"] != 42) | (table["stage"] != "search")]
    assert "(left out, not there for every seed: MRPC)" in sentences.size_sentence(table, "magnitude")
    frame = frames.component_survival(study, "structured")
    assert survival.stability(frame[(frame["task"] != "mrpc") | (frame["seed"] != 42)]).tasks == 1


def test_task_table_shows_the_examples_used_here(study):
    shown = tables.task_table(study).data.set_index("task")
    assert shown.loc["CoLA", "train here"] == shown.loc["CoLA", "GLUE train"] == "8,551"
    assert shown.loc["WNLI (partial)", "dev here"] == "71"


def test_rows_used_are_read_from_notes_where_a_record_does_not_say():
    from lottery_utils.show.data_sizes import rows_used

    record = {"cell": {"task": "rte"}, "source": {"data": "glue"}, "data_notes": []}
    assert rows_used(record) == {"train": 2490, "dev": 277}
    notes = [
        "partial: train has 700 rows, officially 2490 (train.parquet)",
        "partial: train limited to the first 200 of 700 rows",
        "partial: dev limited to the first 100 of 277 rows",
    ]
    assert rows_used({**record, "data_notes": notes}) == {"train": 200, "dev": 100}
    assert rows_used({**record, "source": {"data": "embedded"}})["train"] < 2490
    assert rows_used({**record, "data_rows": {"train": 3, "dev": 2}}) == {"train": 3, "dev": 2}


def test_panels_of_one_metric_share_a_score_axis_that_holds_zero(results):
    worse = results[results["method"] != "magnitude"].copy()
    worse.loc[(worse["task"] == "cola") & (worse["subnetwork"] == "bad"), "score"] = -0.4
    axes = bars.score_bars(worse, {}).axes
    limits = [ax.get_ylim() for ax in axes]
    assert limits[0][0] == pytest.approx(-0.45) and limits[1] == limits[2] == (0.0, 1.02)
    labelled = [bool([t for t in ax.get_yticklabels() if t.get_text()]) for ax in axes]
    assert labelled[1] and not labelled[2], "another range than the panel to the left, then the same"
