"""The explorer on made-up records, in Chromium: what is drawn is what the search did, by mouse and by keyboard."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_records import make_study

from lottery_book.explorer.page import FALLBACK, explorer_html
from lottery_utils.show.frames import final_step

LAYERS, HEADS = 3, 5


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("records")
    return make_study(root, ("cola", "mrpc", "wnli"), layers=LAYERS, heads=HEADS, degenerate=("wnli",))


@pytest.fixture(scope="module")
def place(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    head = '<!doctype html><html data-theme="light" lang="en"><meta charset="utf-8"><title>explorer</title>'
    body = explorer_html({"made up": study})
    (folder / "page.html").write_text(f"{head}<body>{body}</body></html>", encoding="utf-8")
    return folder


def course(study, task, method, seed=1337):
    cells = [cell for cell in study.cells(["search"], [method]) if cell.stage == "search"]
    return study.trajectory(next(cell for cell in cells if (cell.task, cell.seed) == (task, seed)))


def choose(page, **choices):
    for name, value in choices.items():
        page.get_by_label(name, exact=True).select_option(value)


def slider_of(page):
    return page.get_by_label("step of the search")


def test_it_opens_at_the_good_subnetwork_and_every_step_draws_its_mask(opened, place, study):
    t = course(study, "cola", "structured")
    with opened(place / "page.html", place) as watched:
        page, slider = watched.page, slider_of(watched.page)
        assert int(slider.input_value()) == final_step(t)
        assert "the good subnetwork" in page.locator(".lx-status").inner_text()
        slider.press("Home")
        for step in range(len(t["score"])):
            kept = int(t["heads"][step].sum() + t["mlps"][step].sum())
            assert page.locator(".lx-cell:not(.lx-out)").count() == kept
            status = page.locator(".lx-status").inner_text()
            assert status.startswith(f"Step {step} of {len(t['score']) - 1}")
            assert f"{int(t['heads'][step].sum())} of {LAYERS * HEADS} heads" in status
            assert f"dev score {t['score'][step]:.3f}" in status
            assert ("below the target" in status) == (not t["passed"][step])
            slider.press("ArrowRight")
        assert page.locator(".lx-fail").count() == int((~t["passed"]).sum())
        assert page.locator("path.lx-good").count() == 1
        assert watched.errors == [] and watched.outside == []


def test_marks_what_goes_next_and_what_has_just_gone(opened, place, study):
    t = course(study, "cola", "structured")
    heads = t["heads"].reshape(len(t["score"]), -1)
    with opened(place / "page.html", place) as watched:
        slider_of(watched.page).press("Home")
        going = np.flatnonzero(heads[0] & ~heads[1])
        marked = watched.page.locator(".lx-next").evaluate_all("(all) => all.map((one) => Number(one.dataset.index))")
        assert sorted(i for i in marked if i < LAYERS * HEADS) == going.tolist()
        slider_of(watched.page).press("ArrowRight")
        crossed = watched.page.locator(".lx-gone").evaluate_all("(all) => all.map((one) => Number(one.dataset.index))")
        assert sorted(i for i in crossed if i < LAYERS * HEADS) == going.tolist()


def test_pointing_and_arrow_keys_give_the_values(opened, place, study):
    t = course(study, "cola", "structured")
    with opened(place / "page.html", place) as watched:
        page = watched.page
        slider_of(page).press("Home")
        page.locator('[data-index="7"]').hover()
        said = page.locator(".lx-readout").inner_text()
        assert said.startswith("Layer 2, head 3: kept, importance")
        value = float(said.split("importance ")[1].split(",")[0])
        assert value == pytest.approx(float(t["head_importance"][0].ravel()[7]), abs=2e-3)
        page.locator('[data-index="0"]').focus()
        for key, place_now in (("Right", "Layer 1, head 2"), ("Up", "Layer 2, head 2"), ("Left", "Layer 2, head 1")):
            page.keyboard.press(f"Arrow{key}")
            assert page.locator(".lx-readout").inner_text().startswith(place_now)
        assert page.locator('[data-index][tabindex="0"]').count() == 1
        for _ in range(HEADS):
            page.keyboard.press("ArrowRight")
        assert page.locator(".lx-readout").inner_text().startswith("Layer 2, MLP")


def test_magnitude_shows_shares(opened, place, study):
    t = course(study, "mrpc", "magnitude", 42)
    with opened(place / "page.html", place) as watched:
        page = watched.page
        choose(page, task="mrpc", method="magnitude", seed="42")
        slider_of(page).press("End")
        shown = page.locator(".lx-cell text").evaluate_all("(all) => all.map((one) => Number(one.textContent))")
        expected = 100 * np.concatenate([t["head_share"][-1].ravel(), t["mlp_share"][-1]])
        np.testing.assert_allclose(shown, expected, atol=0.6)
        page.locator('[data-index="0"]').hover()
        assert "% of its weights kept" in page.locator(".lx-readout").inner_text()


def test_play_goes_to_the_end_and_stops(opened, place, study):
    with opened(place / "page.html", place) as watched:
        page = watched.page
        page.clock.install()
        page.get_by_role("button", name="play the search").click()
        assert slider_of(page).input_value() == "0"
        page.clock.run_for(2500)
        assert slider_of(page).input_value() == "3"
        page.get_by_role("button", name="pause").click()
        page.clock.run_for(2500)
        assert slider_of(page).input_value() == "3"
        page.get_by_role("button", name="play the search").click()
        page.clock.run_for(20_000)
        assert slider_of(page).input_value() == slider_of(page).get_attribute("max")
        assert page.get_by_role("button", name="play the search").count() == 1
        page.get_by_role("button", name="go to the good subnetwork").click()
        assert "the good subnetwork" in page.locator(".lx-status").inner_text()


def test_a_degenerate_search_is_a_gap_with_its_reason(opened, place):
    with opened(place / "page.html", place) as watched:
        choose(watched.page, task="wnli")
        assert watched.page.locator(".lx-panels").is_hidden()
        assert "does not beat the majority score" in watched.page.locator(".lx-gap").inner_text()
        choose(watched.page, task="cola")
        assert watched.page.locator(".lx-panels").is_visible() and watched.page.locator(".lx-gap").is_hidden()


def test_without_scripts_it_says_so(opened, place):
    with opened(place / "page.html", place, scripts=False) as watched:
        assert watched.page.locator("noscript").inner_text().strip() == FALLBACK


def test_both_themes_and_a_phone(opened, place):
    grounds = set()
    with opened(place / "page.html", place, width=390) as watched:
        for theme in ("light", "dark"):
            watched.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            card, cells = watched.page.locator(".lottery-explorer"), watched.page.locator(".lx-cell rect")
            grounds.add(card.evaluate("(one) => getComputedStyle(one).backgroundColor"))
            assert len(set(cells.evaluate_all("(all) => all.map((one) => getComputedStyle(one).fill)"))) > 5
        assert watched.page.evaluate("document.documentElement.scrollWidth") == 390
    assert len(grounds) == 2
