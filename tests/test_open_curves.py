"""Chapter 13: what it says is in its records, computed again from the files by other code."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from committed import committed
from safetensors.numpy import load

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "records" / "methods"
WAYS = {"structured": "gate taylor output entropy random", "magnitude": "global layer snip random"}
SETTING = {"structured": "score", "magnitude": "unstructured"}
STUDIES = [path.name for path in sorted(RECORDS.glob("*")) if path.is_dir()]
# t(0.975) by degrees of freedom, from a table
STUDENT = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}


def read(study):
    """(method, way, task, seed) to (record, arrays) of the curves in the files."""
    found = {}
    for record, files in committed(f"methods/{study}"):
        cell = record["cell"]
        if cell["stage"] == "curve":
            way = record["inputs"]["settings"].get(SETTING[cell["method"]], WAYS[cell["method"]].split()[0])
            key = (cell["method"], way, cell["task"], cell["seed"])
            assert key not in found
            found[key] = record, load(files["trajectory.safetensors"])
    return found


@pytest.fixture(scope="module", params=STUDIES)
def study(request):
    return request.param, read(request.param)


def averaged(files, method):
    """Tasks and seeds that enter averages."""
    seeds = sorted({key[3] for key in files})
    tasks = []
    for task in sorted({key[2] for key in files if key[0] == method}):
        own = [files.get((method, way, task, seed)) for way, seed in product(WAYS[method].split(), seeds)]
        if all(one is not None and not one[0]["degenerate"] for one in own):
            if min(arrays["score"][0] - record["majority"] for record, arrays in own) >= 0.05:
                tasks.append(task)
    return tasks, seeds


def numbers(files, method, tasks, seeds):
    """By way: lead kept and the sizes of the two marks, each (tasks, seeds)."""
    found = {}
    for way in WAYS[method].split():
        rows = np.zeros((3, len(tasks), len(seeds)))
        for (t, task), (s, seed) in product(enumerate(tasks), enumerate(seeds)):
            record, arrays = files[method, way, task, seed]
            score, size, least = arrays["score"], arrays["size"], record["majority"]
            full = score[0]
            target = 0.9 * full if 0.9 * full > least else least + 0.9 * (full - least)
            falls = [max(size[score < mark], default=0.0) for mark in (target, (full + least) / 2)]
            rows[:, t, s] = [np.mean((score[1:] - least) / (full - least)), *falls]
        found[way] = rows
    return found


def said(name):
    """What the executed chapter says under a glued name; skipped where it was not glued."""
    notebook = json.loads((ROOT / "book" / "chapters" / "13_methods.ipynb").read_text())
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if output.get("metadata", {}).get("scrapbook", {}).get("name") == name:
                return "".join(output["data"]["application/papermill.record/text/plain"])
    raise AssertionError(f"nothing glued as {name}")


def glued(study, name):
    return said(name if study == "demo" else f"{study}_{name}")


def test_records_are_of_clean_commits_and_without_paths(study):
    _, files = study
    for record, arrays in files.values():
        assert not record["dirty"] and re.fullmatch("[0-9a-f]{40}", record["commit"])
        assert "/" not in record["command"].replace("../", "")
        assert record["degenerate"] == (arrays["score"][0] <= record["majority"])


def test_there_are_several_seeds_and_every_way(study):
    _, files = study
    seeds, tasks = {key[3] for key in files}, {key[2] for key in files}
    assert len(seeds) >= 2 and len(tasks) >= 2
    everything = {(m, w, t, s) for m in WAYS for w, t, s in product(WAYS[m].split(), tasks, seeds)}
    assert everything == set(files)


@pytest.mark.parametrize("method", WAYS)
def test_the_same_full_model_and_equal_sizes_under_every_way(study, method):
    _, files = study
    tasks, seeds = averaged(files, method)
    for task, seed in product(tasks, seeds):
        own = [files[method, way, task, seed][1] for way in WAYS[method].split()]
        assert len({float(arrays["score"][0]) for arrays in own}) == 1
        assert all(np.array_equal(arrays["share"], own[0]["share"]) for arrays in own)
        if method == "structured":
            counts = [np.stack([a["heads"].sum((1, 2)), a["mlps"].sum(1)]) for a in own]
            assert all(np.array_equal(count, counts[0]) for count in counts)
            assert all((np.diff(a["heads"].astype(int), axis=0) <= 0).all() for a in own), "nested"
        assert own[0]["size"] == pytest.approx(np.arange(20, 0, -1) / 20)


@pytest.mark.parametrize("method", WAYS)
def test_what_the_chapter_says_of_lead_kept_is_in_the_files(study, method):
    name, files = study
    tasks, seeds = averaged(files, method)
    found, paper = numbers(files, method, tasks, seeds), WAYS[method].split()[0]
    text = glued(name, f"standing_{method[0]}")
    assert f"{paper} keeps {100 * found[paper][0].mean():.0f} % of the lead" in text
    assert (f"over {len(tasks)} tasks" if len(tasks) > 1 else "on one task") in text
    for way in WAYS[method].split()[1:]:
        difference = 100 * (found[way][0] - found[paper][0])
        means = difference.mean(1)
        agree = int((difference.mean(0) * means.mean() > 0).sum())
        if len(tasks) < 3:
            counts = f"{(means > 0).sum()} of {len(tasks)} tasks, " if len(tasks) > 1 else ""
            assert f"{way} ({means.mean():+.1f}; {counts}{agree} of {len(seeds)} seeds)" in text, (way, text)
            continue
        half = STUDENT[len(tasks) - 1] * means.std(ddof=1) / np.sqrt(len(tasks))
        pattern = rf"{way} \((\S+), (\S+) to (\S+); (\d+) of {len(tasks)} tasks, (\d+) of {len(seeds)} seeds\)"
        numbers_said = re.search(pattern, text).groups()
        expected = (means.mean(), means.mean() - half, means.mean() + half, (means > 0).sum(), agree)
        assert [float(n) for n in numbers_said] == pytest.approx(expected, abs=0.06), way


@pytest.mark.parametrize("method", WAYS)
def test_where_each_way_breaks_is_in_the_files(study, method):
    name, files = study
    tasks, seeds = averaged(files, method)
    text = glued(name, f"breaks_{method[0]}")
    for way, (_, target, middle) in numbers(files, method, tasks, seeds).items():
        shown = [float(n) for n in re.search(rf"{way} from (\d+) % to (\d+) %", text).groups()]
        assert shown == pytest.approx((100 * target.mean(), 100 * middle.mean()), abs=0.51)


@pytest.mark.parametrize("method", WAYS)
def test_what_is_called_more_or_less_holds_up_to_holms_correction(study, method):
    from scipy.stats import ttest_1samp

    name, files = study
    tasks, seeds = averaged(files, method)
    found, ways = numbers(files, method, tasks, seeds), WAYS[method].split()
    text = glued(name, f"standing_{method[0]}")
    if len(tasks) < 3:
        assert "more:" not in text.lower() and "less:" not in text.lower()
        return
    pairs = {(way, q): found[way][q] - found[ways[0]][q] for way in ways[1:] for q in range(3)}
    pairs |= {(way, "random"): found[way][0] - found["random"][0] for way in ways[1:-1]}
    p = {key: float(ttest_1samp(difference.mean(1), 0).pvalue) for key, difference in pairs.items()}
    shown, left = set(), len(p)
    for key in sorted(p, key=p.get):
        if p[key] * left > 0.05:
            break
        shown.add(key)
        left -= 1
    for way in ways[1:]:
        sign = np.sign(pairs[way, 0].mean())
        word = ("more" if sign > 0 else "less") if (way, 0) in shown else "not told apart"
        group = re.search(rf"(?:^|\. |; )([A-Za-z ]+): [^:]*\b{way} \(", text).group(1).lower()
        assert group == word, (way, text)
