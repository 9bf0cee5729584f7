"""The interactive charts in Chromium, on made-up records: they draw what the search did, by pointer, keys and link."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_records import make_study

from lottery_book import sources
from lottery_book.building import extension
from lottery_book.explorer import page as pages
from lottery_utils.show.frames import final_step

LAYERS, HEADS = 12, 12  # BERT's grid, so that the published maps stand beside
CELL = '[data-name="panel0"] [aria-roledescription="rect mark"]'
PICTURE = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("records")
    study = make_study(root, ("cola", "mrpc", "wnli"), layers=LAYERS, heads=HEADS, degenerate=("wnli",))
    return sources.run_source(study)


@pytest.fixture(scope="module")
def place(run, tmp_path_factory):
    """A folder with a page of an explorer and a still picture."""
    folder = tmp_path_factory.mktemp("page")
    extension.write_assets(folder)
    head = '<!doctype html><html data-theme="light" lang="en"><meta charset="utf-8"><title>charts</title>'
    head += '<link rel="stylesheet" href="charts.css"><style>body {margin: 0}</style>'
    head += '<script defer src="vega.js"></script><script defer src="charts.js"></script>'
    figure = f'<figure id="fig-x"><img src="{PICTURE}" alt="still"><figcaption>A caption.</figcaption></figure>'
    body = figure + pages.explorer([sources.published_source(), run], "fig-x").data
    (folder / "explorer.html").write_text(f"{head}<body>{body}</body></html>", encoding="utf-8")
    return folder


def drawn(watched):
    """The page, once its charts are drawn."""
    watched.page.wait_for_selector(CELL)
    return watched.page


def choose(page, **choices):
    for name, value in choices.items():
        page.locator(f"select[name={name}]").select_option(value)


def said(page):
    return page.locator(".lc-said").inner_text()


def labels(page):
    """What each cell of the left map says of itself: a list of texts."""
    return page.locator(CELL).evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")


def test_it_opens_at_the_good_subnetwork_and_every_step_draws_its_mask(opened, place, run):
    course = run.courses("structured")["cola", 1337]
    with opened(place / "explorer.html", place) as watched:
        page = drawn(watched)
        slider = page.get_by_label("step of the search")
        assert int(slider.input_value()) == final_step(course) and "the good subnetwork" in said(page)
        slider.press("Home")
        for step in range(len(course["score"])):
            kept = int(course["heads"][step].sum() + course["mlps"][step].sum())
            removed = f"() => document.querySelectorAll('{CELL}[aria-label*=\", seed 1337: removed\"]').length"
            page.wait_for_function(f"({removed})() === {LAYERS * (HEADS + 1) - kept}")
            assert said(page).startswith(f"Seed 1337, step {step} of {len(course['score']) - 1}")
            slider.press("ArrowRight")
        assert watched.errors == [] and watched.outside == []


def test_arrow_keys_and_pointer_tell_a_component_and_what_was_published(opened, place, run):
    importance = float(run.courses("structured")["cola", 1337]["head_importance"][0][0, 1])
    with opened(place / "explorer.html", place) as watched:
        page = drawn(watched)
        page.get_by_label("step of the search").press("Home")
        readout, first = page.locator(".lc-readout"), page.locator('[data-name="panel0"]')
        first.focus()
        for key, where in (("Right", "Layer 1, head 1"), ("Right", "Layer 1, head 2"), ("Up", "Layer 2, head 2")):
            page.keyboard.press(f"Arrow{key}")
            assert readout.inner_text().startswith(f"{where}. ")
        page.keyboard.press("ArrowDown")
        words = readout.inner_text()
        assert float(words.split("kept, importance ")[1].split(" ")[0].rstrip(".")) == pytest.approx(
            importance, rel=0.02
        )
        kept = sources.published_source().maps("structured")["cola"].heads[0, 1]
        assert f"BERT-base, CoLA, 5 seeds: kept in {round(5 * kept)} of 5 seeds." in words
        page.locator(CELL).last.hover()
        page.wait_for_function("document.querySelector('.lc-readout').textContent.startsWith('Layer 12, MLP. ')")


def test_a_choice_is_in_the_address_and_the_address_opens_it(opened, place):
    with opened(place / "explorer.html", place) as watched:
        page = drawn(watched)
        choose(page, task="mrpc", panel1="1/42")
        page.get_by_label("step of the search").press("Home")
        address, words = page.url.split("#")[1], said(page)
        assert address.startswith("fig-x-chart?task=mrpc&") and "step=0" in address and "Jaccard" in words
        page.evaluate("location.hash = '#fig-x-chart?task=cola&method=magnitude&panel0=1/42&step=2'")
        page.wait_for_function("document.querySelector('.lc-said').textContent.startsWith('Seed 42, step 2 ')")
        page.evaluate(f"location.hash = '#{address}'")
        page.wait_for_function(f"document.querySelector('.lc-said').textContent === {words!r}")


def test_magnitude_writes_shares_into_the_cells(opened, place, run):
    course = run.courses("magnitude")["mrpc", 42]
    with opened(place / "explorer.html", place) as watched:
        page = drawn(watched)
        choose(page, task="mrpc", method="magnitude", panel0="1/42")
        page.get_by_label("step of the search").press("End")
        shares = np.column_stack([course["head_share"][-1], course["mlp_share"][-1]]).ravel()
        last = f"{100 * shares[-1]:.1f}"
        page.wait_for_function(
            f"[...document.querySelectorAll('{CELL}')].at(-1).ariaLabel.includes('{float(last):g} %')"
        )
        told = [float(text.split("seed 42: ")[1].split(" %")[0]) for text in labels(page)]
        np.testing.assert_allclose(told, 100 * shares, atol=0.06)


def test_play_goes_to_the_end_and_stops(opened, place):
    with opened(place / "explorer.html", place) as watched:
        page = drawn(watched)
        slider, play = page.get_by_label("step of the search"), page.locator(".lc-play")
        page.clock.install()
        slider.press("End")
        play.click()
        assert slider.input_value() == "0" and "pause" in play.inner_text()
        page.clock.run_for(2500)
        assert slider.input_value() == "3"
        play.click()
        page.clock.run_for(2500)
        assert slider.input_value() == "3" and "play" in play.inner_text()
        play.click()
        page.clock.run_for(30_000)
        assert slider.input_value() == slider.get_attribute("max") and "play" in play.inner_text()
        page.locator(".lc-good").click()
        assert "the good subnetwork" in said(page)


def test_a_gap_says_why_and_has_no_slider(opened, place):
    with opened(place / "explorer.html", place) as watched:
        page = drawn(watched)
        choose(page, task="wnli")
        assert "does not beat the majority score" in said(page) and page.locator(".lc-steps").is_hidden()
        choose(page, task="cola")
        assert page.locator(".lc-steps").is_visible() and watched.errors == []


def test_the_maps_take_the_place_of_the_picture_on_the_screen_only(opened, place):
    with opened(place / "explorer.html", place) as watched:
        page = drawn(watched)
        assert page.locator("#fig-x img").is_hidden() and page.locator("#fig-x figcaption").is_visible()
        assert len(labels(page)) == LAYERS * (HEADS + 1)
        page.emulate_media(media="print")
        assert page.locator("#fig-x img").is_visible() and page.locator(".lottery-chart").is_hidden()
        assert watched.errors == [] and watched.outside == []


def test_without_scripts_the_picture_stays(opened, place):
    with opened(place / "explorer.html", place, scripts=False) as watched:
        assert watched.page.locator(".lc-note").inner_text() == pages.NOTE
        assert watched.page.locator("#fig-x img").is_visible() and watched.page.locator(".lc-choices").is_hidden()


def test_both_themes_and_a_phone(opened, place):
    fills = {}
    with opened(place / "explorer.html", place, width=390) as watched:
        page = drawn(watched)
        for theme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            ink = page.evaluate(
                "getComputedStyle(document.querySelector('.lottery-chart')).getPropertyValue('--lc-ink')"
            )
            page.wait_for_selector(f'[data-name="panel0"] text[fill="{ink}"]')
            found = page.locator(CELL).evaluate_all("(all) => all.map((one) => one.getAttribute('fill'))")
            fills[theme] = set(found)
            assert len(fills[theme]) > 5
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert fills["light"] & fills["dark"] <= {"transparent"}
