"""Headless Chromium for the tests of pages; without it, or without playwright, they are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",  # its own sandbox needs rights that a container does not give; the pages are ours
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A running Chromium of the system."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make test-browser")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


class Watched:
    """An open page, with what went wrong on it so far: errors in the console, requests that left `folder`."""

    def __init__(self, page, folder: Path):
        self.page, self.errors, self.outside = page, [], []
        inside = (folder.resolve().as_uri(), "data:", "blob:", "about:")
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(inside) else self.outside.append(request.url))


@pytest.fixture
def opened(browser) -> Callable:
    """`with opened(path, folder, theme=, width=) as watched`: a page read from disk, offline, its images loaded."""

    @contextmanager
    def visit(path: Path, folder: Path, theme="light", width: int = 1280, scripts: bool = True) -> Iterator[Watched]:
        context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=scripts)
        context.set_offline(True)
        context.set_default_timeout(60_000)  # a busy machine takes its time with formulas
        context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
        watched = Watched(context.new_page(), folder)
        try:
            watched.page.goto(path.resolve().as_uri(), wait_until="load")
            if scripts:
                watched.page.wait_for_function("[...document.images].every((image) => image.complete)")
            yield watched
        finally:
            context.close()

    return visit
