"""Loss surfaces and the stages that compare networks: steps, ends of paths, what a mask removed, and their chapters."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from committed import committed
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler
from safetensors.numpy import load
from scipy.stats import ttest_1samp
from small_world import SETTINGS, make_model, make_task
from tiny import FAMILIES, PLAIN_FAMILIES, tiny_model

from lottery_book.loss_surface import results
from lottery_book.loss_surface import stage as loss
from lottery_book.loss_surface.stage import NETWORKS, POINTS, SIZES, direction, filters, moved, next_seed, noise_like
from lottery_book.probes import results as probing
from lottery_book.probes.tokens import PROBES
from lottery_utils.experiment.study import open_study
from lottery_utils.models.compact import compact, dense
from lottery_utils.pruning.masks import WeightMask
from lottery_utils.show.frames import Reading, readings
from lottery_utils.training.batches import Encoded, take

ROOT = Path(__file__).resolve().parent.parent
SMALL = {"landscape_examples": 24, "landscape_directions": 2, "landscape_grid": 3, "probe_sentences": 60}
HEADS = np.array([[True, False, True, True], [False] * 4, [True] * 4])
MLPS = np.array([True, True, False])


def examples(count: int = 12, seed: int = 0) -> Encoded:
    """Random sentences of 6 tokens with three classes."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, 50, 6 * count).astype(np.int32)
    return Encoded(ids, np.empty(0, np.int32), np.arange(count + 1) * 6, rng.integers(0, 3, count), 0)


def noise(model, seed: int = 1):
    return noise_like(model, torch.Generator().manual_seed(seed))


def same_weights(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values()))


# directions


@pytest.mark.parametrize("family", (*FAMILIES, *PLAIN_FAMILIES))
def test_each_filter_gets_the_norm_of_the_filter_it_moves(family):
    model = tiny_model(family)
    way = direction(noise(model), model)
    assert way.keys() == filters(model).keys() and way
    for name, d in way.items():
        p = model.get_parameter(name)
        assert torch.allclose(d.norm(dim=1), p.norm(dim=1), rtol=1e-5) and not torch.allclose(d, p)


def test_a_compact_model_takes_its_part_of_the_direction():
    whole = tiny_model("bert")
    small, cut = compact(whole, HEADS, MLPS), compact(noise(whole), HEADS, MLPS)
    way = direction(cut, small)
    name = "bert.encoder.layer.0.attention.self.query.weight"
    kept = np.repeat(HEADS[0], 8)
    full_way = direction(noise(whole), whole)[name]
    assert torch.allclose(way[name], full_way[kept]), "query filters are whole, so their steps are the full model's"
    assert not any("layer.1.attention" in key or "layer.2.intermediate" in key for key in way)
    out = "bert.encoder.layer.0.attention.output.dense.weight"
    assert torch.allclose(way[out].norm(dim=1), small.get_parameter(out).norm(dim=1), rtol=1e-5)


def test_what_a_weight_mask_removed_does_not_move():
    whole = tiny_model("bert")
    rng = torch.Generator().manual_seed(3)
    mask = WeightMask({name: torch.rand(p.shape, generator=rng) > 0.6 for name, p in filters(whole).items()})
    mask.weights[next(iter(mask.weights))][0] = False  # a filter that is gone as a whole
    pruned, cut = mask.apply_(tiny_model("bert")), mask.apply_(noise(whole))
    way = direction(cut, pruned)
    for name, kept in mask.weights.items():
        assert torch.isfinite(way[name]).all() and not way[name][~kept].any()


def test_a_step_is_taken_and_taken_back_bit_for_bit():
    model, before = tiny_model("bert"), tiny_model("bert")
    way = direction(noise(model), model)
    name = next(iter(way))
    with moved(model, [(way, 0.3), (way, 0.2)]):
        assert torch.allclose(model.get_parameter(name), before.get_parameter(name) + 0.5 * way[name])
        assert torch.equal(model.classifier.weight, before.classifier.weight)
    assert same_weights(model, before)


# losses


def test_the_loss_is_torchs_and_the_unit_that_of_a_constant_answer():
    model, data = tiny_model("bert"), examples()
    with torch.no_grad():
        logits = model(torch.from_numpy(data.ids.astype(np.int64)).reshape(-1, 6)).logits
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(data.labels))
    assert loss.mean_loss(model, data) == pytest.approx(float(expected), rel=1e-5)
    part = take(data, np.array([3, 7]))
    assert len(part) == 2 and part.ids.tolist() == [*data.ids[18:24], *data.ids[42:48]]
    assert loss.loss_of_knowing_nothing(np.array([0, 0, 1, 1])) == pytest.approx(np.log(2))
    assert loss.loss_of_knowing_nothing(np.array([1, 1, 1])) == 0
    assert loss.loss_of_knowing_nothing(np.array([0.0, 4.0], np.float32)) == pytest.approx(4.0)


def test_slices_and_squares_meet_in_the_middle_and_along_their_axes():
    model, data = tiny_model("bert"), examples()
    ways = [direction(noise(model, seed), model) for seed in (1, 2)]
    line = loss.line(model, data, ways)
    sizes = np.array([-1.0, 0.0, 1.0])
    square = loss.plane(model, data, (ways[0], ways[1]), sizes)
    middle = SIZES.index(0.0)
    assert (line[:, middle] == loss.mean_loss(model, data)).all() and line.std() > 0
    assert square[1, 1] == pytest.approx(line[0, middle]) and square[2, 1] == pytest.approx(line[0, -1])
    assert square[1, 0] == pytest.approx(line[1, 0]), "the second direction runs along the second axis"
    assert same_weights(model, tiny_model("bert"))


def test_a_paths_ends_are_the_two_models_also_where_masks_differ():
    data, whole = examples(), tiny_model("bert")
    one, other = compact(whole, HEADS, MLPS), compact(tiny_model("bert"), ~HEADS, ~MLPS)
    along = loss.path(dense(one), dense(other), data)
    assert along.shape == (len(POINTS),)
    assert along[0] == pytest.approx(loss.mean_loss(one, data), rel=1e-5)
    assert along[-1] == pytest.approx(loss.mean_loss(other, data), rel=1e-5)
    still = loss.path(whole, tiny_model("bert"), data)
    assert np.allclose(still, still[0])


def test_a_barrier_is_the_highest_rise_above_the_line_between_the_ends():
    paths = {"good-bad": (1.0, 4.0, 3.0), "good-random": (1.0, 0.0, 3.0)}  # a dip is no barrier
    rows = [("t", "T", 1, pair, t, loss) for pair in paths for t, loss in zip((0.0, 0.5, 1.0), paths[pair])]
    assert results.barriers(pd.DataFrame(rows, columns=list(results.PATHS)))["barrier"].tolist() == [2.0, 0.0]


def test_every_pair_of_neighbouring_seeds_is_taken_once():
    assert [next_seed((5, 7, 9), seed) for seed in (5, 7, 9)] == [7, 9, 5]
    assert [next_seed((5, 7), seed) for seed in (5, 7)] == [7, None] and next_seed((5,), 5) is None


# what tables say


def made_up(seeds=(1, 2), tasks=("rte", "mrpc", "cola")) -> list[Reading]:
    """Readings in which bad subnetworks are twice as sharp as good ones, on every task a little differently."""
    found = []
    for t, task in enumerate(tasks):
        for seed in seeds:
            bend = {name: (2.0 if name.startswith("bad") else 1.0) + 0.1 * t + 0.01 * seed for name in NETWORKS}
            arrays = {f"line.{n}": 0.5 + b * np.square([SIZES, SIZES]) + np.array(SIZES) for n, b in bend.items()}
            arrays |= {"path.good-bad": np.array([0.5] * 4 + [1.5] + [0.5] * 4), "nothing": np.array([0.5])}
            arrays |= {"next.full": np.full(9, 0.5), "rows": np.arange(4)}
            found.append(Reading(task, task.upper(), seed, "structured", False, arrays))
    return found


def test_sharpness_is_the_rise_both_ways_in_hundredths_of_knowing_nothing():
    table = results.sharpness(made_up(), 0.2)
    one = table.query("task == 'rte' and seed == 1 and network == 'bad.pruned'").iloc[0]
    assert one["sharpness"] == pytest.approx(100 * 2.01 * 0.04 / 0.5), "the slope cancels"
    assert one["loss"] == 100
    found = results.sharpness_differences(table)["good − bad, retrained"]
    assert found.mean == pytest.approx(-8) and found.word == "below" and found.tasks == 3
    with pytest.raises(ValueError, match="no steps of size 0.3"):
        results.sharpness(made_up(), 0.3)


def test_numbers_say_what_is_settled_and_what_is_missing():
    table = results.sharpness(made_up(), 0.4)
    found = results.sharpness_differences(table)
    assert found["good − bad, retrained"].word == "below" and found["good − random, retrained"].word == "undecided"
    alone = results.sharpness_differences(results.sharpness(made_up((1,), ("rte",)), 0.4))
    assert alone["good − bad, retrained"].word == "not testable"
    assert results.share_learnt(table, "bad.retrained") == "0 of 6", "a loss of 100 is nothing"
    assert results.share_learnt(table.assign(loss=10), "bad.retrained") == "6 of 6"
    walls = results.barrier_means(results.paths(made_up()))
    assert walls["good to bad"].mean == pytest.approx(200) and results.mean_barrier(walls, "good to bad") == "200"
    assert results.low_barriers(walls, "good to bad") == "0 of 3"
    assert results.low_barriers(walls, "full to full, next seed") == "3 of 3"
    assert results.mean_barrier(walls, "no such") == "not run"


def test_means_are_over_tasks_that_have_everything():
    table = results.paths(made_up())
    least = table[(table["task"] != "rte") | (table["pair"] == "full to full, next seed")]
    walls = results.barrier_means(least)
    assert {one.tasks for one in walls.values()} == {2} and "RTE" not in walls["good to bad"].by_task
    alone = least[least["task"] == "rte"]
    assert results.with_every(alone).equals(alone)


def test_differences_of_probes_are_in_points_and_corrected_together():
    """One of two probes tells good from bad by five points on five tasks, the other by nothing."""
    tasks = [("A", 1.1), ("B", 0.9), ("C", 1.0), ("D", 1.05), ("E", 0.95)]
    rows = [
        {"title": title, "seed": 1, "network": f"{kind}.masked", "probe": probe, "hard": value}
        for title, scale in tasks
        for probe, gap in (("depth", 5), ("role", 0))
        for kind, value in (("good", 50 + gap * scale), ("bad", 50))
    ]
    found = probing.differences(pd.DataFrame(rows), "masked", "hard", ("depth", "role"))
    assert list(found) == ["depth: good − bad", "role: good − bad"]
    depth = found["depth: good − bad"]
    assert depth.mean == pytest.approx(5) and depth.word == "above" and depth.corrected >= depth.p
    assert probing.in_points(found, "depth: good − bad") == "+5.0 points"
    assert probing.in_points(found, "number: good − bad") == "not run"


# the stages


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two seeds of an easy task: landscape, surface and probes, s-pruning."""
    root = tmp_path_factory.mktemp("landscape")
    make_model(root / "model")
    make_task(root / "data", "sst2", train=160, dev=60)
    overrides = {**SETTINGS, **SMALL, "model": str(root / "model"), "data": str(root / "data")}
    found = open_study("paper", ["sst2"], [1, 2], overrides, root / "results")
    summary = found.run(["landscape", "surface", "probes"], ["structured"], engine="serial", progress=False)
    assert summary.ok, summary.failed
    return found


def test_the_middle_of_a_slice_is_the_recorded_network(study):
    """Loss of the recorded logits, of full and retrained networks, on the rows that the cell names."""
    for seed in (1, 2):
        arrays = study.trajectory(f"sst2/{seed}/landscape/structured/good")
        rows, middle = arrays["rows"], SIZES.index(0.0)
        for name, cell in (("full", "finetune/full"), ("good.retrained", "retrain/structured/good"),
                           ("bad.retrained", "retrain/structured/bad")):  # fmt: skip
            stored = study.predictions(f"sst2/{seed}/{cell}")
            logits, labels = torch.from_numpy(stored["logits"][rows]), torch.from_numpy(stored["labels"][rows])
            expected = float(torch.nn.functional.cross_entropy(logits, labels))
            assert arrays[f"line.{name}"][:, middle] == pytest.approx(expected, rel=1e-4)
        assert study.record(f"sst2/{seed}/landscape/structured/good")["notes"] == [], "retrained as recorded"


def test_paths_begin_and_end_at_their_networks(study):
    arrays, middle = study.trajectory("sst2/1/landscape/structured/good"), SIZES.index(0.0)
    at = {name: arrays[f"line.{name}.retrained"][0, middle] for name in ("good", "random", "bad")}
    at["full"] = arrays["line.full"][0, middle]
    for key in (key for key in arrays if key.startswith("path.")):
        one, other = key.removeprefix("path.").split("-")
        assert arrays[key][[0, -1]] == pytest.approx([at[one], at[other]], rel=1e-4)
    there = study.trajectory("sst2/2/landscape/structured/good")
    assert arrays["next_seed"].tolist() == [2] and "next_seed" not in there
    assert arrays["next.full"][-1] == pytest.approx(there["line.full"][0, middle], rel=1e-4)
    assert arrays["next.bad"][-1] == pytest.approx(there["line.bad.retrained"][0, middle], rel=1e-4)


def test_surfaces_have_the_slices_examples_or_fewer(study):
    arrays = study.trajectory("sst2/1/surface/structured/good")
    assert arrays["plane.full"].shape == (3, 3) and len(arrays["rows"]) == 12 and arrays["sizes"].tolist() == [-1, 0, 1]


def test_probe_cells_hold_every_network_and_layer(study):
    found = readings(study, "probes", "structured")
    assert [one.seed for one in found] == [1, 2]
    table = probing.accuracies(found)
    assert set(table["network"]) == set(probing.PROBED) and set(table["probe"]) == set(PROBES)
    assert sorted(table["layer"].unique()) == [0, 1, 2] and table["linguistic"].between(0, 100).all()
    assert (table["hard"].notna() <= (table["probe"] == "number")).all()
    apart = table[(table["layer"] == 0) & (table["probe"] == "part of speech")].set_index(["seed", "network"])
    pruned = apart.loc[1]["linguistic"]
    assert pruned["pretrained"] == pruned["good.masked"] == pruned["bad.masked"]
    assert pruned["full"] == pruned["good.pruned"] == pruned["bad.pruned"], "pruning does not touch the embeddings"
    differences = probing.differences(probing.over_layers(table), "retrained")
    shown = probing.good_bad_table({"here": differences}).data
    assert shown["probe"].tolist() == list(PROBES) and (shown["verdict"] == "not testable").all()


def test_these_cells_come_on_request_and_change_no_other_address(study):
    assert not {"landscape", "surface", "probes"} & {cell.stage for cell in study.cells()}
    other = open_study("demo", overrides={**SMALL, "landscape_grid": 5}, results_dir=study.store.root)
    plain = open_study("demo", results_dir=study.store.root)
    name = "rte/42/{}/structured/good"
    for stage in ("search", "retrain"):
        assert other.address(name.format(stage)) == plain.address(name.format(stage))
    for stage in ("landscape", "surface", "probes"):
        assert other.address(name.format(stage)) != plain.address(name.format(stage))


def run_chapter(name: str, parameters: dict) -> list:
    """Run a chapter's code in this process and return what its cells end with."""
    space, shown = {"__name__": "__main__"}, []
    for cell in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        *body, last = ast.parse(cell.source).body
        is_value = isinstance(last, ast.Expr)
        exec(compile(ast.Module(body if is_value else [*body, last], []), name, "exec"), space)
        if is_value:
            shown.append(eval(compile(ast.Expression(last.value), name, "eval"), space))
        if "parameters" in cell.metadata.get("tags", []):
            space |= {**parameters, "compute_missing": False}
    return shown


@pytest.mark.parametrize("name", ["15_landscape", "16_probes"])
def test_chapters_show_a_small_studys_records_and_compute_nothing(study, name):
    settings = {key: value for key, value in vars(study.preset).items() if key in (*SETTINGS, *SMALL, "model", "data")}
    overrides = json.dumps({**settings, "seeds": [1, 2]})
    before = sorted(study.store.root.rglob("*"))
    parameters = {"preset": "paper", "tasks": "sst2", "overrides": overrides, "results_dir": str(study.store.root)}
    shown = run_chapter(name, parameters)
    assert sum(isinstance(one, Figure) for one in shown) == 1
    assert sum(isinstance(one, Styler) for one in shown) == 1
    assert all(one.to_html() for one in shown if isinstance(one, Styler))
    assert sorted(study.store.root.rglob("*")) == before


@pytest.mark.parametrize("name", ["13_methods", "15_landscape", "16_probes", "17_importance_bug", "18_selection"])
def test_a_chapter_of_a_study_with_nothing_stored_shows_gaps_and_computes_nothing(name, tmp_path, capsys):
    run_chapter(name, {"seeds": [7], "results_dir": str(tmp_path / "none")})
    assert ": 0 of " in capsys.readouterr().out and not (tmp_path / "none").exists()


# what the pages say, computed again from the files of the committed records


def raw(question: str, stage: str) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    found = {}
    for record, files in committed(question):
        if record["cell"]["stage"] == stage:
            assert record["dirty"] is False, "records of pages are made from a clean clone"
            found[record["cell"]["task"], record["cell"]["seed"]] = load(files["trajectory.safetensors"])
    return found


def over_tasks(values: dict[tuple[str, int], float]) -> tuple[float, float, float]:
    """Mean over tasks of the means over seeds, and its 95 % interval, by scipy."""
    tasks = pd.Series(values).groupby(level=0).mean()
    interval = ttest_1samp(tasks, 0).confidence_interval(0.95)
    return tasks.mean(), interval.low, interval.high


def test_the_surfaces_numbers_are_those_of_the_files(monkeypatch):
    glued = glued_by("15_landscape", monkeypatch)
    cells = raw("landscape", "landscape")
    rise, wall = {}, {}
    for key, arrays in cells.items():
        if "line.bad.retrained" not in arrays:
            continue
        sizes = list(SIZES)
        ends = [sizes.index(-0.4), sizes.index(0.4)]
        values = [arrays[f"line.{kind}.retrained"] for kind in ("good", "bad")]
        rises = [(v[:, ends] - v[:, [sizes.index(0.0)]]).mean() for v in values]
        rise[key] = 100 * (rises[0] - rises[1]) / arrays["nothing"][0]
        y = arrays["path.good-bad"]
        wall[key] = 100 * max(y - np.linspace(y[0], y[-1], len(y))) / arrays["nothing"][0]
    assert len({task for task, _ in rise}) > 2 and len({seed for _, seed in rise}) > 1
    mean, low, high = over_tasks(rise)
    assert glued["far_good_bad"].startswith(f"{mean:+.0f} (95 % interval {low:+.0f} to {high:+.0f};")
    tasks = pd.Series(wall).groupby(level=0).mean()
    assert glued["good_bad"] == f"{tasks.mean():.0f}" and tasks.min() > 0


def test_the_probes_numbers_are_those_of_the_files(monkeypatch):
    glued = glued_by("16_probes", monkeypatch)
    depth, differences = PROBES.index("depth"), {}
    for key, arrays in raw("probes", "probes").items():
        if "accuracy.bad.retrained" in arrays:
            one, other = (arrays[f"accuracy.{kind}.retrained"][depth, 0, 1:].mean() for kind in ("good", "bad"))
            differences[key] = one - other
    mean, low, high = (100 * value for value in over_tasks(differences))
    assert glued["depth_retrained"].startswith(f"{mean:+.1f} (95 % interval {low:+.1f} to {high:+.1f};")


def glued_by(name: str, monkeypatch) -> dict[str, str]:
    """What a chapter glues into its prose from the committed records."""
    from lottery_utils.show import sentences

    found = {}
    monkeypatch.setattr(sentences, "glue_numbers", lambda values: found.update(values))
    monkeypatch.chdir(ROOT)
    run_chapter(name, {})
    return found
