"""The explorer's data and pages: what records and published tables say, gaps with their reason, nothing fetched."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_records import make_study

from lottery_book import published, sources, survivors
from lottery_book.building import extension
from lottery_book.explorer import maps, page, searches, specs
from lottery_utils.experiment.study import Study
from lottery_utils.show.frames import component_importance, component_survival, final_step

LEFT_OUT = ("mrpc/42/search/structured",)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A source of made-up records: one task degenerate, one search not stored."""
    root = tmp_path_factory.mktemp("records")
    return sources.run_source(make_study(root, ("cola", "mrpc", "wnli"), degenerate=("wnli",), leave_out=LEFT_OUT))


@pytest.fixture(scope="module")
def shown(run):
    return maps.all_maps([sources.published_source(), run], ("structured", "magnitude"))


def cells(found, step=0):
    """A step's cells as (layers, heads and the MLP)."""
    return np.array(found["steps"][step]).reshape(-1, found["columns"])


def courses(run, method):
    """(name of the map, course) of every search that is stored and not degenerate."""
    for (task, seed), course in run.courses(method).items():
        yield f"1/{task}/{method}/{seed}", course


# searches


def test_structured_searches_can_be_read_back(run, shown):
    for name, course in courses(run, "structured"):
        found, masks = shown[name], np.concatenate([course["heads"], course["mlps"][:, :, None]], axis=2)
        assert found["good"] == final_step(course) and found["step"] == list(range(len(course["score"])))
        np.testing.assert_allclose(found["score"], course["score"], atol=5e-5)
        for step, mask in enumerate(masks):
            values = cells(found, step)
            np.testing.assert_array_equal(values != searches.REMOVED, mask)
            if (values == searches.UNKNOWN).any():
                assert np.isnan(course["head_importance"][step]).all() and not course["passed"][step]
                continue
            for part, top, true in (
                (values[:, :-1], found["largest"][step][0], course["head_importance"][step]),
                (values[:, -1], found["largest"][step][1], course["mlp_importance"][step]),
            ):
                kept = part != searches.REMOVED
                np.testing.assert_allclose(part[kept] * top / searches.PARTS, true[kept], atol=1e-3 * max(top, 1e-9))


def test_a_cell_says_what_goes_next_and_what_has_just_gone(run, shown):
    marked = 0
    for name, course in courses(run, "structured"):
        states = [np.array(list(letters)) for letters in shown[name]["states"]]
        masks = [np.concatenate([h, m[:, None]], axis=1).ravel() for h, m in zip(course["heads"], course["mlps"])]
        for step, (mask, after) in enumerate(pairwise(masks)):
            if course["passed"][step]:
                np.testing.assert_array_equal(states[step] == searches.NEXT, mask & ~after)
                np.testing.assert_array_equal(states[step + 1] == searches.GONE, mask & ~after)
                marked += (mask & ~after).sum()
            else:
                assert searches.NEXT not in states[step], "a search does not go on from a mask that failed"
    assert marked


def test_magnitude_searches_can_be_read_back(run, shown):
    for name, course in courses(run, "magnitude"):
        found = shown[name]
        np.testing.assert_allclose(found["left"][0]["share"], course["share"], atol=5e-4)
        for step in range(len(course["share"])):
            values = cells(found, step) / searches.PARTS
            np.testing.assert_allclose(values[:, :-1], course["head_share"][step], atol=5e-4)
            np.testing.assert_allclose(values[:, -1], course["mlp_share"][step], atol=5e-4)


def test_the_sentence_of_a_step_has_its_numbers_and_its_verdict(run, shown):
    (name, course), *_ = courses(run, "structured")
    for step, said in enumerate(shown[name]["said"]):
        assert f"step {step} of {len(course['score']) - 1}" in said and f"dev score {course['score'][step]:.3f}" in said
        assert f"{course['heads'][step].sum()} of {course['heads'][step].size} heads" in said
        assert ("below the target" in said) == (not course["passed"][step])
        assert ("the good subnetwork" in said) == (step == final_step(course))


def test_two_seeds_are_compared_by_what_they_end_with(run, shown):
    votes = [
        course["heads"][final_step(course)].ravel()
        for (task, _), course in run.courses("structured").items()
        if task == "cola"
    ]
    both, union = (votes[0] & votes[1]).sum(), (votes[0] | votes[1]).sum()
    said = shown["1/cola/structured/1337"]["agrees"]["1/42"]
    assert f"{both} heads in both" in said and f"Jaccard {both / union:.2f}" in said
    assert not shown["1/mrpc/structured/1337"]["agrees"], "its other seed is not stored"


# over seeds


def test_published_maps_are_the_published_tables(shown):
    for name, method in (("survival_by_task", "structured"), ("magnitude_cells", "magnitude")):
        table = published.table(name)
        rows = table[table["family"] == "heads_mlps"] if "family" in table else table
        assert len(rows) == 9 * 156
        for task, of_task in rows.groupby("task"):
            found = cells(shown[f"0/{task}/{method}/all"])
            for row in of_task.itertuples():
                column = -1 if row.component == "mlp" else row.head
                assert found[row.layer, column] == pytest.approx(searches.PARTS * row.mean, abs=0.51)


def test_the_share_over_seeds_is_counted_in_words(run, shown):
    found, survival = shown["1/cola/structured/all"], component_survival(run.study, "structured")
    share = survival[(survival["task"] == "cola") & (survival["component"] == "mlp")].groupby("layer")["kept"].mean()
    np.testing.assert_allclose(cells(found)[:, -1], searches.PARTS * share, atol=0.51)
    assert found["factor"] * searches.PARTS == 2 and found["after"] == " of 2 seeds" and "importance" in found
    first = component_importance(run.study)
    first = first[(first["task"] == "cola") & (first["component"] == "mlp")].groupby("layer")["kept"].mean()
    importance = np.array(found["importance"]).reshape(-1, found["columns"])
    np.testing.assert_allclose(importance[:, -1], searches.PARTS * first, atol=0.51)


def test_a_cell_names_the_tasks_and_seeds_whose_good_subnetwork_keeps_it(run, shown):
    said = maps.keepers(shown, 1, run)
    for (task, seed), course in run.courses("structured").items():
        good, title = final_step(course), run.title_of(task)
        kept = np.column_stack([course["heads"][good], course["mlps"][good]]).ravel()
        named = [bool(re.search(rf"{title} \([^)]*\b{seed}\b", text)) for text in said]
        if shown[f"1/{task}/structured/{seed}"]["kind"] == "importance":
            np.testing.assert_array_equal(named, kept)
    published_maps = sources.published_source().maps("structured")
    counts = [f"CoLA ({round(5 * share)} of 5 seeds)" for share in published_maps["cola"].mean.ravel()]
    told = maps.keepers(shown, 0, sources.published_source())
    assert all((count in text) != count.startswith("CoLA (0") for count, text in zip(counts, told))
    assert maps.keepers({}, 1, run) == [], "nothing is said of s-pruning where it is not shown"


def test_gaps_are_there_with_their_reason(shown):
    assert shown["1/mrpc/structured/42"]["said"] == [maps.NOT_STORED]
    for seed in ("1337", "42", "all"):
        gap = shown[f"1/wnli/magnitude/{seed}"]
        assert gap["steps"] == [[]] and gap["said"] == ["The full model does not beat the majority score."]
        assert gap["title"][-1] == gap["said"][0] and gap["title"][1].startswith("WNLI (partial)")


def test_the_demo_says_that_it_is_no_glue(tmp_path):
    made = make_study(tmp_path, ("cola",), preset="demo", leave_out=("search",))
    study = Study(replace(made.preset, model="embedded", data="embedded"), tmp_path, stored=True)
    run = sources.run_source(study)
    for found in maps.all_maps([run], ("structured",)).values():
        assert "demo language, not GLUE" in found["title"][0] and found["title"][1].startswith("CoLA-like, ")


def test_jaccard_of_seeds_is_the_releases_and_the_records(run):
    assert survivors.jaccard_phrase(sources.published_source()) == "0.51, by chance 0.39 (8 tasks)"
    measured = survivors.seed_jaccards(run)["jaccard"].dropna()
    assert len(measured) == 1 and 0 < measured.item() <= 1, "MRPC has one seed only, WNLI no search"
    nowhere = sources.real_source("records/nowhere")
    assert survivors.jaccard_phrase(nowhere) == "it takes two seeds, which are not there yet"


# pages


def test_pages_hold_everything_and_ask_for_nothing(run):
    named = replace(run, model="</script><b>name")
    html = page.explorer([named], "fig-x").data
    assert html.count("<script") == html.count("</script>") == 1 and "<b>name" not in html
    assert not re.search(r"(?:https?:)?//[\w.]+\.\w+", html)
    data = json.loads(re.search(r'<script type="application/json">(.*)</script>', html)[1])
    assert set(re.findall(r'data-spec="(\w+)"', html)) <= set(data["specs"])
    choices = re.findall(r'<option value="(\d/\w+)"', html)
    assert choices and all(f"{c[0]}/cola/structured/{c[2:]}" in data["maps"] for c in choices)


def test_a_page_opens_with_a_task_that_most_maps_have(run):
    html = page.explorer([sources.published_source(), run], "fig-x").data
    assert '<option value="cola" selected>' in html and '<option value="1/1337" selected>' in html
    assert '<option value="0/all" selected>' in html


def test_nothing_stored_is_all_gaps(tmp_path):
    empty = sources.run_source(make_study(tmp_path, ("cola",), leave_out=("search",)))
    html = page.explorer([empty], "fig-x").data
    data = json.loads(re.search(r'<script type="application/json">(.*)</script>', html)[1])
    assert {found["kind"] for found in data["maps"].values()} == {"gap"}
    assert "selected" in html, "the form still names what it shows"


def test_nine_tasks_of_bert_base_stay_small(tmp_path):
    run = sources.run_source(make_study(tmp_path, ("cola",), seeds=(1,), layers=12, heads=12))
    single = {
        name: found for name, found in maps.all_maps([run], ("structured", "magnitude")).items() if "score" in found
    }
    a_step = [len(json.dumps(found, separators=(",", ":"))) / len(found["score"]) for found in single.values()]
    assert 8 * 3 * 20 * sum(a_step) < 1_500_000, "eight tasks, three seeds, 20 steps, both methods"


# the built book


def test_colours_of_the_charts_are_those_of_the_style_sheet():
    css = (extension.CHARTS / extension.STYLE).read_text(encoding="utf-8")
    light, dark = css.split('html[data-theme="dark"]', 1)
    for name in specs.COLOURS:
        assert f"--lc-{name}:" in light and f"--lc-{name}:" in dark


def test_only_pages_with_charts_load_the_library(run):
    loaded = []
    app = SimpleNamespace(add_css_file=loaded.append, add_js_file=lambda name, **_: loaded.append(name))
    extension._load_charts(app, "x", "page.html", {"body": "<p>no chart</p>"}, None)
    assert not loaded
    extension._load_charts(app, "x", "page.html", {"body": page.explorer([run], "fig-x").data}, None)
    assert loaded == ["charts.css", "vega.js", "charts.js"]


def test_the_library_is_written_into_the_book_once(tmp_path):
    extension.write_assets(tmp_path)
    library = tmp_path / extension.LIBRARY
    assert "window.vegaEmbed" in library.read_text(encoding="utf-8") and library.stat().st_size < 1_000_000
    library.write_text("as it is", encoding="utf-8")
    extension.write_assets(tmp_path)
    assert library.read_text(encoding="utf-8") == "as it is"
    assert len((extension.CHARTS / extension.SCRIPT).read_text(encoding="utf-8").splitlines()) <= 100
