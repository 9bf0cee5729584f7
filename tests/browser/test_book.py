"""Every page of the built book, opened from disk in Chromium: `make test-browser`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BOOK = Path(os.environ["LOTTERY_BOOK"]).resolve() if os.environ.get("LOTTERY_BOOK") else None
PAGES = sorted(path.relative_to(BOOK).as_posix() for path in BOOK.rglob("*.html")) if BOOK else []
needs_book = pytest.mark.skipif(not PAGES, reason="no built book named in LOTTERY_BOOK: make test-browser")
PHONE = 390  # pixels

# Elements that stick out of the page at its right and do not scroll inside a container of their own.
OVERFLOWING = """() => {
  const held = (one) => {
    for (let up = one.parentElement; up && up !== document.body; up = up.parentElement) {
      if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(up).overflowX)) {
        return up.getBoundingClientRect().right <= innerWidth + 1;
      }
    }
    return false;
  };
  const article = document.querySelector(".bd-article-container");
  return [...article.querySelectorAll("*")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().width > 1)
    .filter((one) => !one.closest(".visually-hidden, .sr-only, mjx-assistive-mml"))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !held(one))
    .map((one) => `${one.tagName} ${one.getAttribute("class")}: ${one.textContent.slice(0, 40)}`);
}"""
WITHOUT_ALT = """() => [...document.querySelectorAll(".bd-article img")]
  .filter((image) => !image.alt.trim() || /\\.(png|svg|jpe?g)$/.test(image.alt)).map((image) => image.src)"""
MISSING = """() => [...document.images].filter((image) => image.naturalWidth === 0).map((image) => image.src)"""
# Words in tables and text that are hard to tell from their ground (below WCAG's 4.5 to 1).
FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * under[i]).concat(1);
  const ground = (one) => {
    const layers = [];
    for (let up = one; up; up = up.parentElement) layers.push(parse(getComputedStyle(up).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const light = (colour) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.slice(0, 3).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const kinds = "a, p, pre, li, td, th, caption, figcaption, dd, dt, summary, label, button, h1, h2, h3";
  const words = [...document.querySelectorAll(`.bd-article :is(${kinds})`)]
    .filter((one) => one.checkVisibility() && one.textContent.trim())
    .filter((one) => !one.closest("svg, mjx-container, .headerlink"));
  return words.filter((one) => {
    const under = ground(one), [a, b] = [light(over(parse(getComputedStyle(one).color), under)), light(under)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
  }).map((one) => `${one.tagName}: ${one.textContent.trim().slice(0, 40)}`);
}"""


def test_the_book_is_there():
    if not os.environ.get("LOTTERY_BOOK"):
        pytest.skip("no built book named in LOTTERY_BOOK: make test-browser")
    assert "index.html" in PAGES and any(page.startswith("chapters/") for page in PAGES), f"{BOOK} holds no built book"


@needs_book
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", PHONE)])
@pytest.mark.parametrize("name", PAGES)
def test_page(opened, name, theme, width):
    with opened(BOOK / name, BOOK, theme=theme, width=width) as watched:
        page = watched.page
        if page.evaluate("document.querySelector('.bd-article') === null"):
            assert not watched.outside  # a page that only leads to another one
            return
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert page.evaluate(MISSING) == [], "images that do not load"
        assert page.evaluate(WITHOUT_ALT) == [], "images without alternative text"
        assert page.evaluate(FAINT) == [], "words hard to tell from their ground"
        assert page.evaluate(OVERFLOWING) == [], "wider than the page"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert watched.errors == []
        assert watched.outside == [], "requests that leave the book"


FIRST = """() => [".admonition.answer", "figure img"].map((kind) => document.querySelector(`.bd-article ${kind}`))
  .map((one) => one.getBoundingClientRect().bottom + scrollY)"""
ELSEWHERE = ("11_authors", "12_explorer")  # there the table of findings comes first, and maps as tall as a screen
CHAPTERS = [page for page in PAGES if page.startswith(("chapters/0", "chapters/1")) or page == "chapters/study.html"]


@needs_book
@pytest.mark.parametrize(
    "name", [page for page in CHAPTERS if not page.endswith(tuple(f"{n}.html" for n in ELSEWHERE))]
)
def test_answer_and_first_figure_are_on_the_first_screen(opened, name):
    with opened(BOOK / name, BOOK, width=1400) as watched:
        assert max(watched.page.evaluate(FIRST)) <= 900


CUT = """() => [...document.querySelectorAll(".bd-article table")].filter((table) => {
  for (let up = table.parentElement; up; up = up.parentElement) {
    if (["auto", "scroll", "hidden"].includes(getComputedStyle(up).overflowX)) {
      return up.scrollWidth > up.clientWidth + 1;
    }
  }
}).map((table) => table.id || table.textContent.trim().slice(0, 40))"""


TURNED = """() => [...document.querySelectorAll(".bd-article img")]
  .filter((image) => getComputedStyle(image).filter !== "none").map((image) => image.src)"""
FOLDED = """() => [...document.querySelectorAll(".bd-article details:not([open]) > :not(summary)")]
  .filter((one) => !one.checkVisibility()).map((one) => one.className)"""


@needs_book
# index.html only forwards to the landing page
@pytest.mark.parametrize("name", [page for page in PAGES if not page.startswith("api") and page != "index.html"])
def test_no_table_is_cut_off_in_a_wide_window_and_print_opens_what_is_folded(opened, name):
    with opened(BOOK / name, BOOK, width=1400) as watched:
        watched.page.emulate_media(media="print")
        assert watched.page.evaluate(FOLDED) == []
        watched.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        assert watched.page.evaluate(TURNED) == [], "on paper figures have their own colours, in the dark too"
        assert watched.page.evaluate(FAINT) == [], "words hard to tell from their ground, printed from the dark theme"
        watched.page.emulate_media(media="screen")
        watched.page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
        assert watched.page.evaluate(CUT) == []


@needs_book
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_explorer_of_the_book_moves(opened, theme):
    found = [name for name in PAGES if name.endswith("_explorer.html")]
    if not found:
        pytest.skip("this book has no explorer")
    with opened(BOOK / found[0], BOOK, theme=theme) as watched:
        slider = watched.page.locator(".lottery-chart input[type=range]")
        drawing = watched.page.locator(".lc-views")
        slider.focus()
        seen = []
        for key in ("Home", "ArrowRight", "ArrowRight", "End"):
            slider.press(key)
            seen.append((slider.input_value(), drawing.inner_html()))
        assert len({value for value, _ in seen}) == len({html for _, html in seen}) == 4
        assert watched.errors == [] and watched.outside == []
