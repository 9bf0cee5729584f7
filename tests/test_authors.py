"""The authors' release: every table against plain loops over the files, on a made-up release and on the real one."""

from __future__ import annotations

import itertools
import json
import math
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_release import GLUE, SEEDS, make_release

from lottery_book.authors.masks import TABLES, masks_of_seeds, restated, total_parameters
from lottery_book.authors.release import read_release
from lottery_utils.cli import main
from lottery_utils.errors import UserError

REAL = Path(__file__).resolve().parents[2] / "shared" / "authors_release"


@pytest.fixture(scope="module", params=["made up", "real"])
def case(request, tmp_path_factory):
    """(folder, its tables as written and read again)."""
    if request.param == "real" and not (REAL / "masks").is_dir():
        pytest.skip("the authors' release is not at hand: no folder shared/authors_release beside the repository")
    root = REAL if request.param == "real" else make_release(tmp_path_factory.mktemp("release") / "clone")
    out = tmp_path_factory.mktemp("out") / "tables"
    assert main(["import-authors", str(root), "--out", str(out)]) == 0
    return root, {name: pd.read_csv(out / f"{name}.csv") for name in TABLES}


@pytest.fixture
def made_up(tmp_path):
    return make_release(tmp_path / "clone")


def mask(root, family, task, seed, component):
    return np.load(root / "masks" / family / task / f"seed_{seed}" / f"{component}_mask.npy").reshape(-1).astype(float)


def folders(path):
    return sorted(p.name for p in path.iterdir() if p.is_dir())


def has(root, family, component):
    return (root / "masks" / family / "CoLA" / "seed_42" / f"{component}_mask.npy").exists()


def agree(found: pd.DataFrame, expected: list[tuple], keys: int) -> None:
    """The same rows, one a key (the first `keys` columns), the same numbers; NaN where NaN is expected."""
    assert len(found) == len(expected)
    clean = lambda row: tuple("" if v is None or v != v else v for v in row)  # noqa: E731
    rows = {clean(row[:keys]): row[keys:] for row in found.itertuples(index=False)}
    assert len(rows) == len(found), "a key is there twice"
    for row in expected:
        np.testing.assert_allclose(rows[clean(row[:keys])], row[keys:], rtol=1e-9, atol=1e-12, err_msg=str(row))


def mean(values):
    return sum(values) / len(values)


def std(values):
    middle = mean(values)
    return math.sqrt(sum((v - middle) ** 2 for v in values) / (len(values) - 1))


def place(component, i):
    return (i // 12, i % 12) if component == "head" else (i, None)


def test_survival_by_task(case):
    root, tables = case
    expected = []
    for task in GLUE:
        for component, size in (("head", 144), ("mlp", 12)):
            masks = [mask(root, "heads_mlps", task, seed, component) for seed in SEEDS]
            for i in range(size):
                kept = [float(m[i]) for m in masks]
                expected.append(("heads_mlps", task, component, *place(component, i), mean(kept), std(kept)))
    agree(tables["survival_by_task"], expected, 5)


def test_survival_across_tasks(case):
    root, tables = case
    expected = []
    for family in ("heads", "mlps", "heads_mlps", "heads_mlps_on_train"):
        for component, size in (("head", 144), ("mlp", 12)):
            if has(root, family, component):
                counts = [sum(mask(root, family, task, seed, component) for task in GLUE) for seed in SEEDS]
                for i in range(size):
                    values = [c[i] for c in counts]
                    expected.append((family, component, *place(component, i), mean(values), std(values)))
    agree(tables["survival_across_tasks"], expected, 4)


def test_task_overlap(case):
    root, tables = case
    expected = []
    for family in ("heads", "mlps", "heads_mlps", "heads_mlps_super"):
        for component, size in (("head", 144), ("mlp", 12)):
            if not has(root, family, component):
                continue
            for a, b in itertools.product(GLUE, GLUE):
                pairs = [(mask(root, family, a, s, component), mask(root, family, b, s, component)) for s in SEEDS]
                shared = [float((x * y).sum()) for x, y in pairs]
                chance = math.nan if a == b else mean([x.sum() * y.sum() / size for x, y in pairs])
                expected.append((family, component, a, b, mean(shared), std(shared), chance))
    agree(tables["task_overlap"], expected, 4)


def cochran(masks):
    """p of Cochran's Q, written out; NaN when 0/0."""
    from scipy.stats import chi2

    x = np.array(masks, float).T
    k, columns, rows = x.shape[1], x.sum(0), x.sum(1)
    below = k * rows.sum() - (rows**2).sum()
    return chi2.sf((k - 1) * (k * (columns**2).sum() - columns.sum() ** 2) / below, k - 1) if below else math.nan


def kappa_and_alpha(masks):
    """Fleiss' kappa and Krippendorff's nominal alpha of 0/1 ratings, written out."""
    x = np.array(masks, float)
    raters, items = x.shape
    ones = x.sum(0)
    share = x.mean()
    if share in (0, 1):
        return math.nan, math.nan
    pairs = np.array([(n * (n - 1) + (raters - n) * (raters - n - 1)) / (raters * (raters - 1)) for n in ones])
    observed, chance = pairs.mean(), share**2 + (1 - share) ** 2
    total = raters * items
    disagreement = 2 * share * (1 - share) * total / (total - 1)
    return (observed - chance) / (1 - chance), 1 - (1 - observed) / disagreement


def jaccard(masks):
    found = [(a * b).sum() / np.maximum(a, b).sum() for a, b in itertools.combinations(masks, 2) if (a + b).any()]
    return mean(found) if found else math.nan


def test_seed_agreement(case):
    root, tables = case
    expected = []
    for family in ("heads_mlps", "heads_mlps_hans"):
        for component in ("head", "mlp"):
            for task in folders(root / "masks" / family):
                masks = [mask(root, family, task, seed, component) for seed in SEEDS]
                pairs = [cochran(pair) for pair in itertools.combinations(masks, 2)]
                kept = sum(p >= 0.05 for p in pairs) / 10
                values = cochran(masks), kept, *kappa_and_alpha(masks), jaccard(masks)
                expected.append((family, component, task, *values))
    agree(tables["seed_agreement"], expected, 3)
    empty = tables["seed_agreement"].query("task == 'WNLI' and component == 'mlp'").iloc[0]
    assert np.isnan(empty["cochran_p"]) and empty["share_pairs_not_rejected"] == 0


def test_super_survivors(case):
    root, tables = case
    expected = []
    for task in GLUE:
        counts, shares = [], []
        for component in ("head", "mlp"):
            masks = [mask(root, "heads_mlps", task, seed, component) for seed in SEEDS]
            always = float(np.prod(masks, axis=0).sum())
            found = [always / m.sum() for m in masks if m.sum()]
            counts.append(always)
            shares.append(mean(found) if found else math.nan)
        expected.append((task, *counts, *shares))
    agree(tables["super_survivors"], expected, 1)


def test_subnetwork_sizes(case):
    """Parameters counted tensor by tensor, as transformers' BertForSequenceClassification has them."""
    root, tables = case
    expected = []
    labels = {"MNLI": 3, "STS-B": 1}
    for family in folders(root / "masks"):
        if not (has(root, family, "head") and has(root, family, "mlp")):
            continue
        for task in GLUE:
            shares, prunable = [], []
            for seed in SEEDS:
                heads = mask(root, family, task, seed, "head").reshape(12, 12)
                mlps = mask(root, family, task, seed, "mlp")
                left = 0
                for layer in range(12):
                    left += int(heads[layer].sum()) * (3 * (64 * 768 + 64) + 768 * 64)
                    left += 768 if heads[layer].any() else 0
                    left += int(mlps[layer]) * (768 * 3072 + 3072 + 3072 * 768 + 768)
                rest = (30522 + 512 + 2) * 768 + 2 * 768 + 12 * 4 * 768 + 768 * 768 + 768
                rest += labels.get(task, 2) * (768 + 1)
                shares.append((rest + left) / (rest + 85_017_600))
                prunable.append(left / 85_017_600)
            expected.append((family, task, mean(shares), std(shares), mean(prunable), std(prunable)))
    agree(tables["subnetwork_sizes"], expected, 2)


def test_the_count_of_parameters_is_the_models():
    """109,483,778 is what transformers counts for bert-base-uncased with two labels."""
    assert total_parameters("CoLA") == 109_483_778 and total_parameters("MNLI") == 109_483_778 + 769


def test_results(case):
    root, tables = case
    expected = []
    for path in (root / "evaluate_masked").rglob("results.json"):
        setting = path.parent.relative_to(root / "evaluate_masked").as_posix().removesuffix("/baseline")
        for task, metrics in json.loads(path.read_text()).items():
            expected += [(setting, task, metric, *values) for metric, values in metrics.items()]
    agree(tables["results"], expected, 3)


def test_footprint(case):
    root, tables = case
    gpu, cpu = "nvidia_estimated_attributable_power_draw", "rapl_estimated_attributable_power_draw"
    expected = []
    for path in (root / "masks").rglob("data.json"):
        parts = path.relative_to(root).parts
        run = parts[1], parts[2], int(parts[3].removeprefix("seed_"))
        samples = [json.loads(line) for line in path.read_text().splitlines()]
        values = [math.nan] * 3
        if len(samples) > 1:
            values = [samples[-1]["timestamp"] - samples[0]["timestamp"], 0.0, 0.0]
            for before, now in itertools.pairwise(samples):
                hours = (now["timestamp"] - before["timestamp"]) / 3600
                values[1] += hours * now[gpu] / 1000
                values[2] += hours * now[cpu] / 1000
        expected.append((*run, *values))
    agree(tables["footprint"], expected, 3)


def test_columns_are_as_agreed(case):
    wanted = {
        "survival_by_task": "family,task,component,layer,head,mean_survival,std_survival",
        "survival_across_tasks": "family,component,layer,head,mean_num_tasks,std_num_tasks",
        "task_overlap": "family,component,task_a,task_b,mean_shared,std_shared,chance_mean",
        "seed_agreement": "family,component,task,cochran_p,share_pairs_not_rejected,fleiss_kappa,krippendorff_alpha,"
        "mean_pair_jaccard",
        "super_survivors": "task,super_heads,super_mlps,head_share_mean,mlp_share_mean",
        "subnetwork_sizes": "family,task,share_all_mean,share_all_std,share_prunable_mean,share_prunable_std",
        "results": "setting,task,metric,mean,std_pop",
        "footprint": "setting,task,seed,seconds,gpu_kwh,cpu_kwh",
    }
    assert {name: ",".join(case[1][name].columns) for name in wanted} == wanted


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_pickle_is_opened(made_up, tmp_path):
    trap = tmp_path / "sprung"
    (made_up / "masks/heads_mlps/CoLA/seed_42/info.pkl").write_bytes(pickle.dumps(Trap(trap)))
    read_release(made_up)
    path = made_up / "masks/heads_mlps/QNLI/seed_42/head_mask.npy"
    for write in (lambda: np.save(path, np.array([Trap(trap)], dtype=object)), lambda: path.write_bytes(b"\x80\x04.")):
        write()
        with pytest.raises(UserError, match="QNLI/seed_42/head_mask.npy is damaged"):
            read_release(made_up)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("path", "content"),
    {
        "masks/heads_mlps/QQP/seed_42/mlp_mask.npy": b"version https://git-lfs.github.com/spec/v1\n",
        "masks/heads_mlps/SST-2/seed_42/head_mask.npy": np.ones((12, 11)),
        "masks/heads_mlps/SST-2/seed_86/head_mask.npy": np.full((12, 12), 0.5),
        "masks/heads_mlps/CoLA/seed_166/head_mask.npy": None,
        "masks/mlps/RTE/seed_71/mlp_mask.npy": None,
        "evaluate_masked/no_mask/baseline/results.json": b'{"CoLA": {"mcc": [0.5',
        "evaluate_masked/freq_baseline/results.json": b'{"CoLA": {"f1": ["high", 0]}}',
        "masks/heads_mlps/CoLA/seed_42/impacttracker/data.json": b'{"timestamp": 260.0}\n',
    }.items(),
)
def test_what_is_damaged_or_missing_is_named_in_one_line(made_up, path, content):
    if content is None:
        (made_up / path).unlink()
    elif isinstance(content, bytes):
        (made_up / path).write_bytes(content)
    else:
        np.save(made_up / path, content)
    with pytest.raises(UserError) as caught:
        restated(made_up)
    assert f"{path} is {'missing' if content is None else 'damaged'}" in str(caught.value)
    assert "\n" not in str(caught.value) and "clone" in str(caught.value)


def test_a_clone_of_empty_folders_has_no_masks(tmp_path):
    for name in ("masks", "evaluate_masked"):
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="the clone has no masks of heads_mlps/CoLA/head; clone"):
        restated(tmp_path)


def test_a_task_without_a_folder_is_missing(made_up):
    shutil.rmtree(made_up / "masks/heads/STS-B")
    with pytest.raises(UserError, match="masks/heads/STS-B/seed_42/head_mask.npy is missing"):
        read_release(made_up)


def test_bad_folders_are_one_line_and_exit_2_and_nothing_is_replaced(made_up, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "results.csv").write_text("mine")
    for arguments in (
        [str(tmp_path / "nothing"), "--out", str(tmp_path / "out")],
        [str(made_up / "masks"), "--out", str(tmp_path / "out")],
        [str(made_up), "--out", str(made_up / "evaluate_masked/no_mask/baseline/results.json")],
        [str(made_up), "--out", str(tmp_path / "mine")],
        [str(made_up)],
    ):
        assert main(["import-authors", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("lottery: error: ") and err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert [path.read_text() for path in (tmp_path / "mine").iterdir()] == ["mine"]


def test_identical_masks_are_recognised(made_up):
    rows = masks_of_seeds(read_release(made_up))
    stsb = rows.query("family == 'heads_mlps' and task == 'STS-B' and component == 'mlp'").set_index("seed")
    assert stsb.loc[86, "same_as_seed"] == 42 and stsb.loc[42, "same_as_seed"] == 42
    assert (stsb["kept"] == stsb["shared_with_good"]).all()
