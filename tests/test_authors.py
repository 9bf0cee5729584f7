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

from lottery_book.authors.release import find_root, read_release
from lottery_book.authors.sizes import total_parameters
from lottery_book.authors.survival import masks_of_seeds
from lottery_book.authors.tables import TABLES, import_release, write_tables
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
    return root, {name: pd.read_csv(out / f"{name}.csv") for name in (*TABLES, "problems")}


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
    for family in folders(root / "masks"):
        for task in folders(root / "masks" / family):
            for component, size in (("head", 144), ("mlp", 12)):
                if not (root / "masks" / family / task / "seed_42" / f"{component}_mask.npy").exists():
                    continue
                masks = [mask(root, family, task, seed, component) for seed in SEEDS]
                for i in range(size):
                    kept = [float(m[i]) for m in masks]
                    expected.append((family, task, component, *place(component, i), mean(kept), std(kept)))
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


def test_task_pair_alpha(case):
    root, tables = case
    family_of = {t: f for f in ("heads_mlps", "heads_mlps_hans") for t in folders(root / "masks" / f)}
    expected = []
    for component in ("head", "mlp"):
        for a, b in itertools.combinations(sorted(family_of), 2):
            masks = [mask(root, family_of[t], t, seed, component) for t in (a, b) for seed in SEEDS]
            expected.append((component, a, b, kappa_and_alpha(masks)[1]))
    agree(tables["task_pair_alpha"], expected, 3)


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
    for path in root.rglob("data.json"):
        parts = path.relative_to(root).parts
        if parts[0] == "masks":
            run = parts[1], parts[2], int(parts[3].removeprefix("seed_"))
        else:
            run = parts[1], None, None
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


def test_nothing_is_wrong_with_either(case):
    _, tables = case
    assert set(tables["problems"]["problem"]) <= {"left out"}
    assert tables["problems"]["reason"].str.contains("no duration").all()


def test_columns_are_as_agreed(case):
    wanted = {
        "survival_by_task": "family,task,component,layer,head,mean_survival,std_survival",
        "survival_across_tasks": "family,component,layer,head,mean_num_tasks,std_num_tasks",
        "task_overlap": "family,component,task_a,task_b,mean_shared,std_shared,chance_mean",
        "seed_agreement": "family,component,task,cochran_p,share_pairs_not_rejected,fleiss_kappa,krippendorff_alpha,"
        "mean_pair_jaccard",
        "task_pair_alpha": "component,task_a,task_b,krippendorff_alpha",
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


def test_damaged_and_missing_files_are_listed_and_the_rest_is_read(made_up, tmp_path, capsys):
    masks = made_up / "masks"
    good = masks / "heads_mlps"
    trap = tmp_path / "sprung"
    np.save(good / "QNLI/seed_42/head_mask.npy", np.array([Trap(trap)], dtype=object))
    (good / "QQP/seed_42/mlp_mask.npy").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (good / "MRPC/seed_86/mlp_mask.npy").write_bytes((good / "MRPC/seed_42/mlp_mask.npy").read_bytes()[:-8])
    (good / "MRPC/seed_71/mlp_mask.npy").write_bytes(pickle.dumps(Trap(trap)))
    np.save(good / "SST-2/seed_42/head_mask.npy", np.ones((12, 11)))
    np.save(good / "SST-2/seed_86/head_mask.npy", np.full((12, 12), 0.5))
    np.savez(good / "SST-2/seed_71/head_mask.npy", np.ones((12, 12)))
    shutil.move(good / "SST-2/seed_71/head_mask.npy.npz", good / "SST-2/seed_71/head_mask.npy")
    shutil.rmtree(good / "CoLA/seed_166")
    shutil.rmtree(masks / "mlps/RTE")
    np.save(masks / "heads" / "head_mask.npy", np.ones((12, 12)))
    (masks / "heads_mlps/CoLA/seed_42/info.pkl").write_bytes(pickle.dumps(Trap(trap)))
    (made_up / "evaluate_masked/no_mask/baseline/results.json").write_text('{"CoLA": {"mcc": [0.5')
    odd = {"CoLA": {"mcc": [0.5, 0.1], "f1": ["high", 0]}, "RTE": {"acc": [1]}}
    (made_up / "evaluate_masked/freq_baseline/results.json").write_text(json.dumps(odd))
    log = good / "CoLA/seed_42/impacttracker/data.json"
    log.write_text(log.read_text() + '{"timestamp": 260.0, "nvid')

    imported = import_release(made_up)
    assert not trap.exists(), "a pickle was opened"
    rows = imported.tables["problems"].set_index("path")
    damaged = sorted(rows.index[rows["problem"] == "damaged"].unique())
    assert [path.removeprefix("masks/heads_mlps/") for path in damaged] == [
        "evaluate_masked/freq_baseline/results.json",
        "evaluate_masked/no_mask/baseline/results.json",
        "CoLA/seed_42/impacttracker/data.json",
        "MRPC/seed_71/mlp_mask.npy",
        "MRPC/seed_86/mlp_mask.npy",
        "QNLI/seed_42/head_mask.npy",
        "QQP/seed_42/mlp_mask.npy",
        "SST-2/seed_42/head_mask.npy",
        "SST-2/seed_71/head_mask.npy",
        "SST-2/seed_86/head_mask.npy",
    ]
    missing = sorted(rows.index[rows["problem"] == "missing"])
    assert missing[:2] == [f"masks/heads_mlps/CoLA/seed_166/{c}_mask.npy" for c in ("head", "mlp")]
    assert len(missing) == 2 + 5 and all("mlps/RTE" in path for path in missing[2:])
    assert rows.loc["masks/heads/head_mask.npy", "problem"] == "unexpected"
    assert imported.release.pickles == 1

    tables = imported.tables
    cola = tables["survival_by_task"].query("family == 'heads_mlps' and task == 'CoLA' and component == 'mlp'")
    four = [mask(made_up, "heads_mlps", "CoLA", seed, "mlp") for seed in SEEDS if seed != 166]
    np.testing.assert_allclose(cola["mean_survival"], np.mean(four, axis=0))
    np.testing.assert_allclose(cola["std_survival"], np.std(four, axis=0, ddof=1))
    across = tables["survival_across_tasks"].query("family == 'heads_mlps' and component == 'head'")
    only = sum(mask(made_up, "heads_mlps", task, 1337, "head") for task in GLUE)
    assert (across["mean_num_tasks"] == only).all() and across["std_num_tasks"].isna().all()
    assert "mlps" not in set(tables["survival_across_tasks"]["family"])
    assert set(tables["super_survivors"]["task"]) == set(GLUE) - {"CoLA", "MRPC", "QNLI", "QQP", "SST-2"}
    assert set(tables["results"]["setting"]) == {"freq_baseline", "head_mlp_hans/finetuned"}
    assert tables["footprint"].query("task == 'CoLA'")["seconds"].tolist() == [100.0]

    assert main(["import-authors", str(made_up), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "not opened, as they may hold pickles: 1" in said
    assert "7 missing, 11 damaged" in said and "more in problems.csv" in said


def test_the_folder_is_found_at_the_root_below_and_above(made_up, tmp_path):
    assert find_root(made_up) == made_up == find_root(tmp_path)
    assert find_root(made_up / "masks") == made_up.resolve()
    (tmp_path / "second" / "masks").mkdir(parents=True)
    with pytest.raises(UserError, match="found 2: clone, second"):
        find_root(tmp_path)
    with pytest.raises(UserError, match="found neither"):
        find_root(made_up / "masks" / "heads")


def test_half_a_release_gives_half_the_tables(made_up):
    shutil.rmtree(made_up / "masks")
    tables = import_release(made_up).tables
    assert len(tables["results"]) == 3 * 9 * 2 and len(tables["footprint"]) == 1
    empty = [name for name in TABLES if tables[name].empty]
    assert empty == [name for name in TABLES if name not in ("results", "footprint")]
    assert tables["problems"]["path"].tolist() == ["masks"]


def test_bad_folders_are_one_line_and_exit_2(made_up, tmp_path, capsys):
    for arguments in (
        [str(tmp_path / "nothing"), "--out", str(tmp_path / "out")],
        [str(made_up / "masks" / "heads"), "--out", str(tmp_path / "out")],
        [str(made_up), "--out", str(made_up / "evaluate_masked/no_mask/baseline/results.json")],
        [str(made_up)],
    ):
        assert main(["import-authors", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("lottery: error: ") and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_others_files_are_never_replaced(made_up, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    (out / "results.csv").write_text("mine too")
    imported = import_release(made_up)
    with pytest.raises(UserError, match="results.csv that no import wrote"):
        write_tables(imported, out)
    assert sorted(p.name for p in out.iterdir()) == ["mine.txt", "results.csv"]
    (out / "results.csv").unlink()
    write_tables(imported, out)
    first = (out / "results.csv").read_bytes()
    write_tables(imported, out)
    assert (out / "results.csv").read_bytes() == first and (out / "mine.txt").read_text() == "mine"
    assert "does not know" in (out / "notes.txt").read_text()


def test_identical_masks_are_recognised(made_up):
    rows = masks_of_seeds(read_release(made_up))
    stsb = rows.query("family == 'heads_mlps' and task == 'STS-B' and component == 'mlp'").set_index("seed")
    assert stsb.loc[86, "same_as_seed"] == 42 and stsb.loc[42, "same_as_seed"] == 42
    assert (stsb["kept"] == stsb["shared_with_good"]).all()
