"""The explorer's data: what the records say, small enough, nothing fetched, gaps with their reason."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from made_up_records import make_study

from lottery_book.explorer.page import NOT_STORED, _relative, explorer, explorer_data, explorer_html
from lottery_utils.show.frames import final_step


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("records")
    leave_out = ("mrpc/42/search/structured",)
    return make_study(root, ("cola", "mrpc", "wnli"), degenerate=("wnli",), leave_out=leave_out)


@pytest.fixture(scope="module")
def shown(study):
    return explorer_data({"made up": study})["studies"][0]


def numbers(text):
    """Thousandths, each two digits to the base 36, as shares."""
    return np.array([int(text[i : i + 2], 36) for i in range(0, len(text), 2)]) / 1000


def trajectories(study, method):
    for cell in study.cells(["search"], [method]):
        if cell.stage == "search" and cell.task != "wnli" and study.record(cell):
            yield f"{cell.task}/{method}/{cell.seed}", study.trajectory(cell)


def test_structured_searches_can_be_read_back(study, shown):
    for name, t in trajectories(study, "structured"):
        found = shown["searches"][name]
        assert (found["layers"], found["width"]) == t["heads"].shape[1:]
        assert found["good"] == final_step(t) and found["phase"] == t["phase"].tolist()
        np.testing.assert_allclose(found["score"], t["score"], atol=5e-5)
        for kind in ("head", "mlp"):
            masks = np.array([[bit == "1" for bit in step] for step in found[f"{kind}s"]])
            np.testing.assert_array_equal(masks, t[f"{kind}s"].reshape(masks.shape))
            for step, mask in enumerate(masks):
                values = numbers(found[f"{kind}_values"][step]) * found[f"{kind}_top"][step]
                true = t[f"{kind}_importance"][step].ravel()[mask]
                np.testing.assert_allclose(values, true, atol=1e-3 * true.max(initial=0))


def test_magnitude_searches_can_be_read_back(study, shown):
    for name, t in trajectories(study, "magnitude"):
        found = shown["searches"][name]
        np.testing.assert_allclose(numbers(found["share"]), t["share"], atol=5e-4)
        for kind in ("head", "mlp"):
            values = np.stack([numbers(step) for step in found[f"{kind}_values"]])
            np.testing.assert_allclose(values, t[f"{kind}_share"].reshape(values.shape), atol=5e-4)


def test_gaps_are_shown_with_their_reason(shown):
    assert shown["searches"]["mrpc/structured/42"] == {"gap": NOT_STORED}
    reason = {"gap": "the full model does not beat the majority score"}
    assert shown["searches"]["wnli/structured/1337"] == shown["searches"]["wnli/magnitude/42"] == reason
    assert dict(shown["tasks"])["wnli"] == "WNLI (partial)"


def test_searches_not_stored_are_all_gaps(tmp_path):
    study = make_study(tmp_path, ("cola",), leave_out=("search",))
    shown = explorer_data({"nothing": study})["studies"][0]
    assert set(map(str, shown["searches"].values())) == {str({"gap": NOT_STORED})}


def test_the_page_holds_everything_and_asks_for_nothing(study):
    html = explorer_html({"</script><b>name": study})
    assert html.count("<script") == html.count("</script>") == 2 and "<b>name" not in html
    data = json.loads(re.search(r'<script type="application/json">(.*)</script>', html)[1])
    assert data["studies"][0]["name"] == "</script><b>name"
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"')]*", html))
    assert addresses == {"http://www.w3.org/2000/svg"}, "a name of the SVG format, which is not fetched"
    assert not re.search(r"\b(fetch|XMLHttpRequest|import)\s*\(|@import|url\(", html)
    assert explorer({"made up": study}).data == explorer_html({"made up": study})


def test_nine_tasks_of_bert_base_stay_small(tmp_path):
    study = make_study(tmp_path, ("cola",), seeds=(1,), layers=12, heads=12)
    data = explorer_data({"one": study})["studies"][0]["searches"]
    a_step = [len(json.dumps(s, separators=(",", ":"))) / len(s["score"]) for s in data.values()]
    assert 45 * 25 * sum(a_step) < 1_500_000, "nine tasks, five seeds, 25 steps, both methods"


def test_a_mask_that_failed_has_no_importances():
    values, kept = np.array([[0.5, 0.25], [np.nan, np.nan]]), np.array([[True, True], [True, False]])
    assert _relative(values, kept) == (["rsdw", ""], [0.5, 0.0])
