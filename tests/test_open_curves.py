"""Chapter 13: what it says is in its records, computed again from the files by other code."""

from __future__ import annotations

import json
import re
from ast import literal_eval
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
PLAIN = ("gate plain", "taylor plain", "output plain")  # without the norm over the heads of a layer
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
            way += " plain" * (record["inputs"]["settings"].get("head_norms") is False)
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
                return literal_eval("".join(output["data"]["application/papermill.record/text/plain"]))
    raise AssertionError(f"nothing glued as {name}")


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
    everything |= {("structured", w, t, s) for w, t, s in product(PLAIN, tasks, seeds)}
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


KEPT = {  # names under which the chapter glues shares of the lead, and differences from the paper's way
    "structured": {way: f"kept_{way}" for way in WAYS["structured"].split()},
    "magnitude": {"global": "kept_global", "random": "kept_weights_random"},
}
TOLD = {"structured": {"output": "output_told"}, "magnitude": {"layer": "layer_told", "snip": "snip_told"}}


@pytest.mark.parametrize("method", WAYS)
def test_shares_of_the_lead_that_the_chapter_says_are_in_the_files(study, method):
    _, files = study
    tasks, seeds = averaged(files, method)
    found = numbers(files, method, tasks, seeds)
    for way, name in KEPT[method].items():
        assert float(re.match(r"\d+", said(name))[0]) == pytest.approx(100 * found[way][0].mean(), abs=0.51), way


@pytest.mark.parametrize("method", WAYS)
def test_differences_that_the_chapter_says_are_in_the_files(study, method):
    _, files = study
    tasks, seeds = averaged(files, method)
    found, paper = numbers(files, method, tasks, seeds), WAYS[method].split()[0]
    for way, name in TOLD[method].items():
        means = 100 * (found[way][0] - found[paper][0]).mean(1)
        half = STUDENT[len(tasks) - 1] * means.std(ddof=1) / np.sqrt(len(tasks))
        shown = re.match(r"(\S+) points \(95.% interval (\S+) to (\S+); (\d+) tasks\)", said(name))
        values = [float(text.replace("\N{MINUS SIGN}", "-")) for text in shown.groups()]
        assert values == pytest.approx((means.mean(), means.mean() - half, means.mean() + half, len(tasks)), abs=0.06)


def test_what_the_norm_does_that_the_chapter_says_is_in_the_files(study):
    _, files = study
    tasks, seeds = averaged(files, "structured")
    kept = {}
    for way in ("gate", "gate plain"):
        kept[way] = np.zeros((len(tasks), len(seeds)))
        for (t, task), (s, seed) in product(enumerate(tasks), enumerate(seeds)):
            record, arrays = files["structured", way, task, seed]
            full, least = arrays["score"][0], record["majority"]
            kept[way][t, s] = np.mean((arrays["score"][1:] - least) / (full - least))
    means = 100 * (kept["gate"] - kept["gate plain"]).mean(1)
    half = STUDENT[len(tasks) - 1] * means.std(ddof=1) / np.sqrt(len(tasks))
    shown = re.match(r"(\S+) \(95.% interval (\S+) to (\S+); (\d+) tasks\)", said("norm_gate"))
    values = [float(text.replace("\N{MINUS SIGN}", "-")) for text in shown.groups()]
    assert values == pytest.approx((means.mean(), means.mean() - half, means.mean() + half, len(tasks)), abs=0.06)


@pytest.mark.parametrize("way", ["gate", "output"])
def test_sizes_at_which_nine_tenths_are_lost_are_in_the_files(study, way):
    _, files = study
    _, target, _ = numbers(files, "structured", *averaged(files, "structured"))[way]
    assert float(re.match(r"\d+", said(f"breaks_{way}"))[0]) == pytest.approx(100 * target.mean(), abs=0.51)


def test_of_the_rankings_of_heads_only_a_random_order_is_told_apart(study):
    """By Holm's correction over everything that the chapter compares of a kind, as the chapter's answer says."""
    from scipy.stats import ttest_1samp

    _, files = study
    found = numbers(files, "structured", *averaged(files, "structured"))
    ways = WAYS["structured"].split()
    pairs = {(way, q): found[way][q] - found["gate"][q] for way in ways[1:] for q in range(3)}
    pairs |= {(way, "random"): found[way][0] - found["random"][0] for way in ways[1:-1]}
    p = {key: float(ttest_1samp(difference.mean(1), 0).pvalue) for key, difference in pairs.items()}
    shown, left = set(), len(p)
    for key in sorted(p, key=p.get):
        if p[key] * left > 0.05:
            break
        shown.add(key)
        left -= 1
    assert {way for way in ways[1:] if (way, 0) in shown} == {"random"}
