"""Fuzz tests of words: presets and overrides, notebooks' parameters, the command line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from fuzz_common import FIELDS, TEXTS, VALUES, Tally, over
from hypothesis import strategies as st

from lottery_utils.cli import main as lottery
from lottery_utils.presets import PRESETS, Preset, get_preset


def presets(tally: Tally, folder: Path):
    """Presets and overrides, as mappings."""
    valid = {name: st.just(getattr(Preset(), name)) for name in Preset.__dataclass_fields__ if name != "name"}

    @over(st.sampled_from(list(PRESETS)) | VALUES, VALUES | st.dictionaries(FIELDS, VALUES, max_size=3))
    def test(name, overrides):
        with tally.judged("preset"):
            preset = get_preset(name, overrides)
            again = get_preset(name, {key: getattr(preset, key) for key in valid})
            if again != preset:
                tally.wrong("preset", f"{overrides!r} is accepted but not stable")

    return test


def notebooks(tally: Tally, folder: Path):
    """Parameters as papermill passes them, into what a chapter calls first."""
    from lottery_utils.experiment.study import open_study

    names = st.sampled_from(["demo", "laptop"]) | VALUES
    changes = st.dictionaries(FIELDS, VALUES, max_size=2) | st.dictionaries(st.sampled_from(["model", "data"]), TEXTS)
    overrides = changes | changes.map(lambda v: json.dumps(v)) | VALUES

    places = st.sampled_from([str(folder / "store"), "store", 3, None, "", "\0", "a" * 300])

    chosen = st.none() | VALUES

    @over(names, chosen, chosen, overrides, places)
    def test(preset, tasks, seeds, changes, results):
        with tally.judged("notebook"), _inside(folder), _nothing_stored(tally, folder, "notebook"):
            study = open_study(preset, tasks, seeds, changes, results)
            if study.preset.model != "embedded" and _is_wide(study.preset.model) or _is_wide(study.preset.data):
                return
            study.cells(["finetune"])
            study.record(study.cells(["finetune"])[0])

    return test


def command_lines(tally: Tally, folder: Path):
    """Arguments of the command line."""
    words = ["--preset", "--tasks", "--seeds", "--set", "--results", "--stages", "--methods", "--subnetworks", "--why"]
    words += ["--engine", "--workers", "--yes", "status", "show", "verify", "--chapters", "--country"]
    pairs = st.builds(lambda k, v: f"{k}={json.dumps(v)}", FIELDS, VALUES) | st.builds("{}={}".format, FIELDS, TEXTS)
    rest = st.lists(st.sampled_from(words) | TEXTS | pairs, max_size=6)

    @over(st.sampled_from(["status", "show", "verify"]), rest)
    def test(first, arguments):
        if any(_is_wide(a.rpartition("=")[2].strip('"')) for a in arguments):
            return
        with tally.judged("command line"), _inside(folder), _nothing_stored(tally, folder, "command line"):
            call([first, *arguments])

    return test


def call(arguments: list[str]) -> None:
    """Run the command; raises for an exit code or a message that it must not have."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = lottery(arguments)
        except SystemExit as leaving:  # --help
            code = leaving.code
    out.flush()
    if code not in (0, 1, 2):
        raise RuntimeError(f"exit code {code}")
    if code == 2 and err.getvalue().count("\n") != 1:
        raise RuntimeError(f"not one line: {err.getvalue()!r}")


def _is_wide(place: str) -> bool:
    """A place that exists and is not ours."""
    try:
        return os.path.exists(os.path.expanduser(place))
    except ValueError:
        return False


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    place = Path.cwd()
    work = folder / "work"
    work.mkdir(exist_ok=True)
    os.chdir(work)
    try:
        yield
    finally:
        os.chdir(place)


@contextlib.contextmanager
def _nothing_stored(tally: Tally, folder: Path, kind: str) -> Iterator[None]:
    try:
        yield
    finally:
        made = [p for p in (folder / "work").iterdir()] + [p for p in (folder / "store").glob("*")]
        if made:
            for path in made:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            tally.wrong(kind, f"left {made[0].name!r}")
