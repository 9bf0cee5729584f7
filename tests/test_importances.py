"""The search as decisions, the figures of importance, overlap and agreement, and their words."""

from __future__ import annotations

import json
import math
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
from made_up_records import make_study

from lottery_book.agreement import coefficients as agreement
from lottery_book.agreement import overlap, stability
from lottery_book.agreement import overlap_figures as overlaps
from lottery_book.importance import decisions, modes
from lottery_book.importance import figures as importances
from lottery_utils.show import frames as gather
from lottery_utils.show import heatmaps
from lottery_utils.show.compute import compute, needs_of

ROOT = Path(__file__).resolve().parent.parent
TASKS, SEEDS = ("cola", "mrpc", "wnli"), (1337, 42, 86)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three tasks, three seeds, 4 layers of 6 heads; the search of WNLI is degenerate."""
    return make_study(tmp_path_factory.mktemp("store"), TASKS, SEEDS, degenerate=("wnli",), leave_out=("magnitude",))


@pytest.fixture(scope="module")
def decided(study):
    return decisions.decisions(study)


@pytest.fixture(scope="module")
def survival(study):
    return gather.component_survival(study, "structured")


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


# decisions


def test_a_step_starts_from_the_last_mask_that_passed(study, decided):
    own = decided[(decided["task"] == "mrpc") & (decided["seed"] == 42)]
    course = study.trajectory("mrpc/42/search/structured/good")
    for step, start in ((1, 0), (4, 3), (5, 3), (7, 6), (8, 6), (9, 8)):  # steps 4 and 7 failed
        heads = own[(own["step"] == step) & (own["component"] == "head")]
        there = course["heads"][start]
        assert len(heads) == there.sum()
        assert np.allclose(heads["importance"], course["head_importance"][start][there])
        assert heads["removed"].sum() == (there & ~course["heads"][step]).sum()
    mlps = own[own["component"] == "mlp"].groupby("step")["importance"].max()
    assert (mlps == 1).all(), "a share of the step's largest"
    assert own[own["step"] == 9]["final"].sum() == course["heads"][8].sum() + course["mlps"][8].sum()


def test_released_takes_the_scores_of_the_mask_that_failed(study):
    from dataclasses import replace

    from lottery_utils.experiment.study import Study

    class Read(Study):
        """The same records, read as those of the protocol `released`."""

        def trajectory(self, cell):
            return study.trajectory(cell)

        def record(self, cell):
            return study.record(cell)

    released = Read(replace(study.preset, importance="released"), study.store.root)
    rows = decisions.decisions(released).query("task == 'mrpc' and seed == 42 and step == 5 and component == 'head'")
    course = study.trajectory("mrpc/42/search/structured/good")
    assert np.allclose(rows["importance"], course["head_importance"][4][course["heads"][3]])


def test_the_cut_parts_what_goes_from_what_stays(decided):
    rows = decided[(decided["task"] == "cola") & (decided["seed"] == 42) & (decided["component"] == "head")].copy()
    rows = rows[rows["step"] == 1].sort_values("importance")
    rows["removed"] = np.arange(len(rows)) < 2
    values = rows["importance"].to_numpy()
    assert decisions.cuts(rows)["cut"].tolist() == [pytest.approx((values[1] + values[2]) / 2)]
    rows["removed"] = True
    assert decisions.cuts(rows)["cut"].isna().all()
    rows["removed"] = False
    assert decisions.cuts(rows).empty


def test_first_cut_of_mlps_is_the_first_step_that_removes_one(decided):
    assert set(decisions.first_cut(decided, "head")["step"]) == {1}
    assert set(decisions.first_cut(decided, "mlp")["step"]) == {2}


def test_order_of_heads_over_a_search(decided):
    drift = decisions.drift(decided)
    first = drift[drift["step"] == 1]
    assert np.allclose(first["correlation"], 1) and (first["left"] == 1).all()
    assert drift[drift["step"] > 1]["correlation"].abs().mean() < 0.5, "made-up importances are random"
    look = decisions.one_look(decided)
    assert len(look) == 6 and look["chance"].tolist() == pytest.approx([16 / 24] * 6)
    assert decisions.seeds_correlation(decided)["correlation"].abs().max() < 0.5
    assert decisions.spearman([1, 2, 3], [10, 20, 15]) == pytest.approx(0.5)
    assert math.isnan(decisions.spearman([1, 1, 1], [1, 2, 3])) and math.isnan(decisions.spearman([1, 2], [1, 2]))


# figures


def test_histograms_count_every_head_once_and_show_the_cuts(decided):
    figure = importances.head_histograms(decided, ["WNLI"])
    ax = figure.axes[0]
    assert sum(patch.get_height() for patch in ax.patches) == 3 * 24 and len(ax.lines) == 3
    assert texts(figure.axes[2]) == ["gap"] and len(figure.legends[0].get_texts()) == 4


def test_search_steps_show_what_each_step_takes(decided):
    rows = decided[(decided["task"] == "cola") & (decided["seed"] == SEEDS[0])]
    heads, mlps = importances.search_steps(decided, "cola").axes
    for ax, component in ((heads, "head"), (mlps, "mlp")):
        own = rows[rows["component"] == component]
        assert [len(dots.get_offsets()) for dots in ax.collections] == [(~own["removed"]).sum(), own["removed"].sum()]
    assert [t.get_text() for t in heads.get_yticklabels()][:2] == ["1 (phase 1)", "2 (phase 1)"]


def test_overlap_matrix_has_counts_above_and_chance_below(survival):
    table = overlap.task_overlap(survival)
    shown = texts(overlaps.overlap_matrix(table, "head").axes[0])
    rows = table[table["component"] == "head"].set_index(["task_a", "task_b"])
    pair = rows.loc[("cola", "mrpc")]
    assert len(shown) == 4
    assert shown[1] == f"{pair['mean_shared']:.1f}".removesuffix(".0") + f"\n±{pair['std_shared']:.1f}"
    assert shown[2] == f"{pair['chance_mean']:.1f}".removesuffix(".0")


def test_jaccard_figure_has_a_dot_for_each_pair_of_seeds(survival):
    table = agreement.agreement(survival, 99)
    figure = overlaps.seed_jaccards(survival, table)
    assert sum(len(dots.get_offsets()) for dots in figure.axes[0].collections if len(dots.get_offsets()) == 3) == 6
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["CoLA", "MRPC"]
    assert overlaps.p_text(0.0004) == "<0.001" and overlaps.p_text(0.004) == "0.004" and overlaps.p_text(0.04) == "0.04"


@pytest.mark.parametrize("tasks, seeds", [((), ()), (("cola",), (42,)), (("cola",), SEEDS), (("cola", "mrpc"), (42,))])
def test_figures_tables_and_sentences_hold_for_little_and_for_nothing(decided, survival, tasks, seeds, tmp_path):
    some = decided[decided["task"].isin(tasks) & decided["seed"].isin(seeds)].reset_index(drop=True)
    kept = survival[survival["task"].isin(tasks) & survival["seed"].isin(seeds)].reset_index(drop=True)
    shared, counts = overlap.task_overlap(kept), overlap.super_counts(kept)
    table, supers = agreement.agreement(kept, 19), overlap.task_overlap(overlap.super_survivors(kept))
    between, drift = overlap.jaccard_between(kept, kept), decisions.drift(some)
    figures = [
        importances.head_histograms(some),
        importances.mlp_strips(some),
        importances.search_steps(some, gather.example_task(some)),
        importances.drift_lines(drift),
        heatmaps.survival_across_tasks(kept, "alone"),
        *(overlaps.overlap_matrix(frame, kind) for frame in (shared, supers) for kind in ("head", "mlp")),
        overlaps.seed_jaccards(kept, table),
        overlaps.mode_jaccards(between),
    ]
    for number, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{number}.png", dpi=40)
    for style in (stability.agreement_table(table), stability.super_table(counts), stability.overlap_table(shared)):
        assert "<caption>" in style.to_html() and "nan" not in style.to_html()
    said = [
        stability.seeds_sentence(table, "head"),
        stability.cochran_sentence(table),
        stability.super_sentence(counts),
        stability.overlap_sentence(shared, overlap.overlap_test(kept, "head", 19), "head"),
        stability.cut_sentence(decisions.first_cut(some, "head")),
        stability.order_sentence(decisions.one_look(some), decisions.seeds_correlation(some)),
        modes.sizes_sentence(kept, kept),
        modes.likeness_sentence(between),
    ]
    assert all(text.endswith(".") and "nan" not in text for text in said), said
    if len(seeds) < 2:
        assert said[0] == said[1] == stability.NO_SEEDS and "this run has none" in said[2]
    if len(tasks) < 2:
        assert "fewer than two tasks" in said[3]


# words


def test_sentences_follow_the_numbers(survival):
    table = agreement.agreement(survival, 199)
    assert "0 of 2 tasks" in stability.seeds_sentence(table, "head"), "made-up masks agree by chance only"
    assert "in 2 whose seeds keep exactly the same" in stability.cochran_sentence(table), "all seeds keep the same MLPs"
    said = stability.overlap_sentence(overlap.task_overlap(survival), overlap.overlap_test(survival, "mlp", 199), "mlp")
    assert said.startswith("Two tasks share 3.0 MLPs on average; chance would give 2.2.") or "MLPs on average" in said
    assert "Not more than chance can explain" in said, "the seeds' masks are one mask: 1 of 6 places has it by chance"
    forced = table.assign(permutation_p=0.001)
    assert "on 2 of 2 tasks, after Holm's correction for 4 tests" in stability.seeds_sentence(forced, "head")


def test_made_up_examples_show_what_each_statistic_sees():
    found = stability.examples().set_index("name")
    assert math.isnan(found.loc["identical", "cochran_p"]) and found.loc["identical", "share_pairs_not_rejected"] == 0
    assert found.loc["disjoint", "cochran_p"] == 1 and found.loc["disjoint", "mean_pair_jaccard"] == 0
    assert found.loc["random", "cochran_p"] == 1 and abs(found.loc["random", "fleiss_kappa"]) < 0.1
    assert found.loc["nested", "cochran_p"] < 0.001 and found.loc["nested", "permutation_p"] < 0.001
    assert (found["mean_kept"].loc[["identical", "random"]] == 96).all() and found.loc["disjoint", "mean_kept"] == 28
    assert list(stability.examples_table().data["masks"]) == ["identical", "disjoint", "random", "nested"]


# pruning modes


def test_modes_share_the_fine_tuned_models_and_nothing_else(study):
    needs = needs_of(ROOT / "notebooks" / "07_importance.ipynb")
    studies = dict(zip(("own", "joint", "heads", "mlps"), compute(study, needs, missing=False), strict=True))
    for cell, count in (("mrpc/42/finetune/full", 1), ("mrpc/42/search/structured/good", 3)):
        assert len({one.address(cell) for one in studies.values()}) == count
    assert studies["joint"].address("mrpc/42/search/structured/good") == study.address("mrpc/42/search/structured/good")
    nothing = modes.alone(studies)
    assert nothing.empty and "nothing to compare" in modes.sizes_sentence(nothing, nothing)


def test_alone_takes_heads_from_one_search_and_mlps_from_the_other(study, survival, monkeypatch):
    given = {"heads": survival[survival["seed"] != 86], "mlps": survival[survival["task"] == "mrpc"]}
    monkeypatch.setattr(modes, "component_survival", lambda name, method: given[name])
    found = modes.alone({name: name for name in given})
    assert set(zip(found["task"], found["seed"])) == {("mrpc", 1337), ("mrpc", 42)}
    assert (found["component"] == "head").sum() == 2 * 24 and (found["component"] == "mlp").sum() == 2 * 4


# notebooks


def run(name: str, parameters: dict, tmp_path: Path) -> list[str]:
    """Execute a chapter and return the calls whose cells show a picture."""
    out = tmp_path / f"{name}.ipynb"
    papermill.execute_notebook(
        str(ROOT / "notebooks" / f"{name}.ipynb"), str(out), parameters, progress_bar=False, cwd=str(ROOT)
    )
    shown = []
    for cell in nbformat.read(out, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            if "image/png" in output.get("data", {}):
                shown.append(cell.source.split("(")[0])
    return shown


@pytest.mark.slow
@pytest.mark.parametrize("name", ["07_importance", "08_agreement"])
def test_chapters_run_alone_on_a_part_of_the_demo(name, tmp_path):
    """From an empty store, offline; one task and one seed leave gaps, not errors."""
    overrides = {"train_limit": 300, "dev_limit": 100, "epochs": 1, "min_steps": 40}
    parameters = {"tasks": ["sst2"], "seeds": [42], "overrides": json.dumps(overrides)}
    shown = run(name, {**parameters, "results_dir": str(tmp_path / "results")}, tmp_path)
    assert len(shown) == {"07_importance": 9, "08_agreement": 5}[name]
    stored = sorted(path.name.rsplit("-", 2)[0] for path in (tmp_path / "results").iterdir() if path.name[0] != ".")
    searches = {"07_importance": 3, "08_agreement": 1}[name]
    assert stored == ["sst2-full-finetune", *["sst2-structured-good-search"] * searches], "only what it needs"


def test_chapter_09_on_stored_records(study, tmp_path):
    """Every figure from records alone: neither the model nor the data are at hand."""
    overrides = {"model": "nowhere-model", "data": "nowhere-data", "tasks": list(TASKS), "seeds": list(SEEDS)}
    parameters = {"preset": "paper", "overrides": overrides, "results_dir": str(study.store.root)}
    parameters["compute_missing"] = False
    drawn = run("08_agreement", parameters, tmp_path)
    assert drawn == [*["agreement.overlap_figures.overlap_matrix"] * 4, "agreement.overlap_figures.seed_jaccards"]
