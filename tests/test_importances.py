"""The search as decisions, importance, overlap and agreement: figures and phrases by source."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
from made_up_records import make_study

from lottery_book import importance as importances
from lottery_book import sources
from lottery_book.agreement import by_source
from lottery_utils.experiment.study import Study
from lottery_utils.show import frames as gather
from lottery_utils.show.compute import compute, needs_of

ROOT = Path(__file__).resolve().parent.parent
TASKS, SEEDS = ("cola", "mrpc", "wnli"), (1337, 42, 86)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three tasks, three seeds, 4 layers of 6 heads; the search of WNLI is degenerate."""
    return make_study(tmp_path_factory.mktemp("store"), TASKS, SEEDS, degenerate=("wnli",), leave_out=("magnitude",))


@pytest.fixture(scope="module")
def decided(study):
    return importances.decisions(study)


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
        heads, there = own[own["step"] == step], course["heads"][start]
        assert len(heads) == there.sum()
        assert np.allclose(heads["importance"], course["head_importance"][start][there])
        assert heads["removed"].sum() == (there & ~course["heads"][step]).sum()
    assert own[own["step"] == 9]["final"].sum() == course["heads"][8].sum()


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
    rows = importances.decisions(released).query("task == 'mrpc' and seed == 42 and step == 5")
    course = study.trajectory("mrpc/42/search/structured/good")
    assert np.allclose(rows["importance"], course["head_importance"][4][course["heads"][3]])


def test_the_cut_parts_what_goes_from_what_stays(decided):
    rows = importances.in_full_model(decided[(decided["task"] == "cola") & (decided["seed"] == 42)])
    rows = rows.sort_values("importance")
    rows["removed"] = np.arange(len(rows)) < 2
    values = rows["importance"].to_numpy()
    assert importances.cuts(rows).tolist() == [pytest.approx((values[1] + values[2]) / 2)]
    rows["removed"] = True
    assert importances.cuts(rows).isna().all()
    rows["removed"] = False
    assert importances.cuts(rows).empty


def test_heads_near_the_cut_are_counted_over_searches(decided):
    rows = importances.in_full_model(decided[decided["task"] == "cola"])
    rows["removed"] = rows.groupby("seed").cumcount() < 2
    rows["importance"] = rows.groupby("seed").cumcount() + 1.0  # the last to go has 2, so 3 alone is less than 4
    assert importances.near_cut_phrase(rows) == "2 go, 1 stay"


def test_order_of_heads_over_a_search(decided):
    left = importances.order_left(decided)
    assert len(left) == 6 and left.abs().mean() < 0.6, "made-up importances are random"
    assert np.allclose(importances.order_left(importances.in_full_model(decided)), 1)
    look = importances.one_look(decided)
    assert len(look) == 6 and look["chance"].tolist() == pytest.approx([16 / 24] * 6)
    assert importances.seeds_correlation(decided).abs().max() < 0.5


# figures


def test_histograms_count_every_head_once_and_show_the_cuts(this_run, decided):
    figure = importances.cuts_by_source((sources.published_source(), this_run), {this_run: decided})
    assert texts(figure.axes[0]) == ["not released"]
    heights = [patch.get_height() for patch in figure.axes[1].patches]
    assert sum(heights) == 3 * 24 and len(figure.axes[1].lines) == 3 and len(figure.legends[0].get_texts()) == 4


@pytest.fixture(scope="module")
def this_run(study):
    return sources.run_source(study)


def test_shared_components_are_shown_beyond_chance(this_run):
    table = by_source.shared_by_tasks(this_run)
    figure = by_source.shared({this_run: table})
    rows = table[table["component"] == "head"].set_index(["task_a", "task_b"])
    pair, kept = rows.loc[("cola", "mrpc")], min(rows.loc[(t, t), "mean_shared"] for t in ("cola", "mrpc"))
    shown = figure.axes[0].collections[0].get_array().reshape(2, 2)
    assert shown[0, 1] == pytest.approx((pair["mean_shared"] - pair["chance_mean"]) / (kept - pair["chance_mean"]))
    assert shown.mask[0, 0] and shown[0, 1] == shown[1, 0]


def test_likeness_has_a_mark_and_its_chance_level_for_each_task(this_run):
    table = by_source.seeds_of(this_run)
    ax = by_source.likeness({this_run: table}).axes[0]
    heads = table[table["component"] == "head"]
    (marks,) = (line.get_ydata() for line in ax.lines if line.get_marker() == "D")
    assert list(marks) == pytest.approx(heads["jaccard"].tolist())
    assert [t.get_text() for t in ax.get_xticklabels()] == ["CoLA", "MRPC"]


def test_published_agreement_is_that_of_the_tables():
    published = sources.published_source()
    heads = by_source.seeds_of(published).query("component == 'head'")
    assert len(heads) == 8 and "wnli" not in set(heads["task"])
    raw = sources.published.table("seed_jaccard")
    of_cola = raw.query("family == 'heads_mlps' and component == 'head' and task == 'cola'")
    assert heads.query("task == 'cola'")["jaccard"].item() == pytest.approx(of_cola["mean_pair_jaccard"].item())
    shared = by_source.shared_by_tasks(published)
    test = sources.published.overlap_test("head")
    pairs = shared[(shared["component"] == "head") & (shared["task_a"] != shared["task_b"])]
    assert pairs["mean_shared"].mean() == pytest.approx(test.observed) and len(pairs) == 8 * 7
    assert pairs["chance_mean"].mean() == pytest.approx(test.chance)


@pytest.mark.parametrize("tasks, seeds", [((), ()), (("cola",), (42,)), (("cola",), SEEDS), (("cola", "mrpc"), (42,))])
def test_figures_tables_and_phrases_hold_for_little_and_for_nothing(study, decided, tasks, seeds, tmp_path):
    some = decided[decided["task"].isin(tasks) & decided["seed"].isin(seeds)].reset_index(drop=True)
    preset = replace(study.preset, tasks=tasks or ("cola",), seeds=seeds or (1,))
    part = sources.run_source(Study(preset, study.store.root, stored=True))
    seeds_of, shared = by_source.seeds_of(part), by_source.shared_by_tasks(part)
    figures = [
        importances.cuts_by_source((part,), {part: some}),
        by_source.likeness({part: seeds_of}),
        by_source.shared({part: shared}),
        by_source.shared({part: by_source.shared_by_tasks(part, supers=True)}),
    ]
    for number, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{number}.png", dpi=40)
    html = by_source.seed_table({part: seeds_of}).to_html()
    assert "<caption>" in html and "nan" not in html
    said = [
        by_source.mean_jaccard(seeds_of),
        by_source.mean_shared(shared),
        importances.one_look_phrase(some),
        importances.near_cut_phrase(some),
    ]
    assert all("nan" not in text and len(text.split()) <= 25 for text in said), said
    assert (said[0] == "it takes two seeds") == (len(seeds) < 2)
    assert (said[1] == "it takes two tasks of one seed") == (len(tasks) < 2)


def test_made_up_examples_show_what_each_statistic_sees():
    found = by_source.examples().set_index("name")
    assert math.isnan(found.loc["identical", "cochran_p"]) and found.loc["identical", "share_pairs_not_rejected"] == 0
    assert found.loc["disjoint", "cochran_p"] == 1 and found.loc["disjoint", "mean_pair_jaccard"] == 0
    assert found.loc["random", "cochran_p"] == 1 and abs(found.loc["random", "fleiss_kappa"]) < 0.1
    assert found.loc["nested", "cochran_p"] < 0.001 and found.loc["nested", "permutation_p"] < 0.001
    assert list(by_source.examples_table().data["masks"]) == ["identical", "disjoint", "random", "nested"]


# pruning modes


def test_modes_share_the_fine_tuned_models_and_nothing_else(study):
    needs = needs_of(ROOT / "notebooks" / "07_importance.ipynb")
    studies = dict(zip(("own", "joint", "heads", "mlps"), compute(study, needs, missing=False), strict=True))
    for cell, count in (("mrpc/42/finetune/full", 1), ("mrpc/42/search/structured/good", 3)):
        assert len({one.address(cell) for one in studies.values()}) == count
    assert studies["joint"].address("mrpc/42/search/structured/good") == study.address("mrpc/42/search/structured/good")
    assert importances.alone(studies).empty


def test_alone_takes_heads_from_one_search_and_mlps_from_the_other(study, survival, monkeypatch):
    given = {"heads": survival[survival["seed"] != 86], "mlps": survival[survival["task"] == "mrpc"]}
    monkeypatch.setattr(importances, "component_survival", lambda name, method: given[name])
    found = importances.alone({name: name for name in given})
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
                shown.append(cell.source.splitlines()[-1].split("(")[0])
    return shown


def test_chapter_08_on_stored_records(study, tmp_path):
    """Every figure from records alone: neither the model nor the data are at hand."""
    overrides = {"model": "nowhere-model", "data": "nowhere-data", "tasks": list(TASKS), "seeds": list(SEEDS)}
    parameters = {"preset": "paper", "overrides": overrides, "results_dir": str(study.store.root)}
    parameters["compute_missing"] = False
    drawn = run("08_agreement", parameters, tmp_path)
    assert drawn == ["by_source.likeness", "by_source.shared", "by_source.shared"]
