"""Lead kept and the headline: every row of a mean over the same tasks, each panel names its evidence, gaps are gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_records import KEPT, MAJORITY, full_score, make_study
from scipy.stats import ttest_1samp

from lottery_book import real_study as tables
from lottery_book import side_by_side, sources
from lottery_book.evidence import AXIS, lead_dots
from lottery_utils.errors import UserError
from lottery_utils.experiment.cells import full
from lottery_utils.experiment.study import Study
from lottery_utils.presets import get_preset
from lottery_utils.show import frames
from lottery_utils.show.leads import SUBNETWORKS, TREATMENTS, lead_effects, leads

TASKS, SEEDS = ("cola", "mrpc", "rte", "stsb", "sst2"), (1337, 42)
NO_CELL = "rte/42/retrain/magnitude", "sst2/1337/score/magnitude/bad", "sst2/42/score/magnitude/bad"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records of preset base: five tasks, two seeds; m-pruning lacks a seed of RTE and all of SST-2."""
    folder = tmp_path_factory.mktemp("base")
    make_study(folder, TASKS, SEEDS, preset="base", leave_out=NO_CELL)
    return folder


@pytest.fixture(scope="module")
def real(records):
    return sources.real_source(records)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Records of preset demo, without random by layer."""
    folder = tmp_path_factory.mktemp("demo")
    made = make_study(folder, ("cola", "sst2", "mrpc", "wnli"), (1337, 42, 86), preset="demo", degenerate=("wnli",))
    return sources.run_source(Study(replace(made.preset, model="embedded", data="embedded"), folder, stored=True))


@pytest.fixture(scope="module")
def three(real, run):
    return sources.published_source(), real, run


# lead kept


def test_every_row_of_a_mean_is_over_the_same_tasks_and_seeds(three):
    for source in three:
        for method, rows in source.leads.groupby("method"):
            sets = {
                tuple(own.sort_values("task")[["task", "seeds"]].itertuples(index=False, name=None))
                for _, own in rows.groupby(frames.CONDITION)
            }
            assert len(sets) == 1, (source.kind, method)
            assert {each.tasks for key, each in source.effects().items() if key[0] == method} == {len(next(iter(sets)))}


def test_a_task_and_seed_count_where_every_condition_is_there(real):
    seeds = real.leads.drop_duplicates(["method", "task"]).set_index(["method", "task"])["seeds"]
    assert seeds["structured"].to_dict() == dict.fromkeys(TASKS, 2)
    assert seeds["magnitude"].to_dict() == {"cola": 2, "mrpc": 2, "rte": 1, "stsb": 2}


def test_lead_kept_is_that_of_the_means_over_seeds(real):
    rows = real.leads.set_index(["task", *frames.CONDITION])["lead"]
    for (method, name), shares in KEPT.items():
        for treatment, share in zip(TREATMENTS, shares, strict=True):
            mean, least = np.mean([full_score(full("mrpc", seed)) for seed in SEEDS]), MAJORITY.get("mrpc", 0.5)
            assert rows["mrpc", method, name, treatment] == pytest.approx((share * mean - least) / (mean - least))


def test_means_and_intervals_are_those_of_a_t_test_over_tasks(three):
    published = three[0]
    own = frames.choose(published.leads, "structured", "bad", "retrained")["lead"]
    ends = ttest_1samp(own, 0).confidence_interval(0.95)
    found = published.effects()["structured", "bad", "retrained"]
    assert (found.mean, found.low, found.high) == pytest.approx((own.mean(), ends.low, ends.high))


def test_published_leads_by_hand(three):
    """MRPC's bad s-subnetwork, merely pruned, and WNLI, whose full model has no lead."""
    frame = three[0].leads.set_index(["task", *frames.CONDITION])["lead"]
    raw = three[0].results.set_index(["task", *frames.CONDITION])["score"]["mrpc"]
    least, whole = raw["", "majority", "baseline"], raw["", "full", "full"]
    assert frame["mrpc", "structured", "bad", "pruned"] == pytest.approx(
        (raw["structured", "bad", "pruned"] - least) / (whole - least)
    )
    assert frame["mrpc", "structured", "bad", "pruned"] < -1 and "wnli" not in frame.index.get_level_values("task")
    assert set(three[0].leads["subnetwork"]) == {"good", "random", "bad"}


def test_the_hand_written_answer_about_the_published_numbers_holds(three):
    means = {key: each.mean for key, each in three[0].effects().items()}
    s, m = ([means[method, name, "retrained"] for name in ("good", "random", "bad")] for method in tables.METHOD_NAMES)
    assert s[0] > s[1] > s[2] > 0.5 > m[2] and m[0] > 0.9


def test_no_scores_give_no_leads():
    empty = leads(pd.DataFrame(columns=frames.RESULT))
    assert empty.empty and lead_effects(empty) == {}


# the picture


def test_each_panel_names_its_evidence(three):
    titles = [ax.get_title().split(" ", 1)[1] for ax in side_by_side.headline(three).axes]
    assert titles == [
        "published: BERT-base\n8 tasks, 5 seeds",
        "real study: MPNet-base\n5 tasks, 2 seeds",
        "this run: demo language, not GLUE\n3 tasks, 3 seeds",
        "published: BERT-base\n8 tasks, 5 seeds",
        "real study: MPNet-base\n4 tasks, 1 to 2 seeds",
        "this run: demo language, not GLUE\n3 tasks, 3 seeds",
    ]


def test_what_is_not_there_is_said_in_the_picture(three, tmp_path):
    grid = side_by_side.headline(three).axes
    said = [{text.get_text() for text in ax.texts if not text.get_text().lstrip("−").isdigit()} for ax in grid]
    assert said == [{"not in the paper"}, set(), {"no record yet"}] * 2
    without = sources.real_source(tmp_path / "nowhere")
    shown = side_by_side.headline([three[0], without]).axes[1].texts
    assert [text.get_text() for text in shown] == ["no record yet\nlottery run --preset base"]


def test_means_are_drawn_where_they_are_hollow_where_pruned_with_a_dot_a_task(real):
    ax = side_by_side.headline([real]).axes[0]
    marks = {}
    for line in ax.lines:
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
            if line.get_marker() == "o" and not np.isnan(x):  # seaborn has a place for every colour
                marks[round(float(y), 2)] = (float(x), line.get_markerfacecolor() == "white")
    effects = real.effects()
    for place, name in enumerate(SUBNETWORKS):
        for treatment, offset in (("pruned", -0.2), ("retrained", 0.2)):
            x, hollow = marks[round(place + offset, 2)]
            assert x == pytest.approx(effects["structured", name, treatment].mean) and hollow == (treatment == "pruned")
    dots = np.concatenate([each.get_offsets() for each in ax.collections])
    wanted = real.of("structured")["lead"].clip(*AXIS)
    assert sorted(dots[:, 0]) == pytest.approx(sorted(wanted))


def test_tasks_beyond_the_axis_lie_at_its_edge_and_few_tasks_have_no_interval(three):
    ax = side_by_side.headline(three[:1]).axes[0]
    assert sum(len(each.get_offsets()) for each in ax.collections if (each.get_offsets()[:, 0] == AXIS[0]).any()) == 2
    two = three[0].of("structured").query("task in ('cola', 'rte')")
    lead_dots(ax, two, {})
    assert all(np.isnan(each.low) for each in lead_effects(two).values())


# the tables


def test_the_table_of_what_ran_has_every_task_of_the_preset_and_gaps(three):
    shown = tables.ran_table(three[1], three[0]).data.set_index("task")
    assert len(shown) == len(get_preset("base").tasks)
    assert shown["seeds complete"].to_dict() == {
        "CoLA": "2 of 3",
        "MRPC": "2 of 3",
        "RTE": "1 of 3",
        "STS-B": "2 of 3",
        "SST-2": "0 of 3",
        "QNLI": "0 of 3",
        "MNLI": "0 of 3",
        "QQP": "0 of 3",
    }
    assert shown.loc["CoLA", "published (BERT-base)"] == "0.560 ± 0.006" and shown.loc["QQP", "full model"] == "–"
    nothing = tables.ran_table(sources.real_source("records/nowhere"), three[0]).data
    assert (nothing["full model"] == "–").all() and (nothing["seeds complete"] == "0 of 3").all()


def test_the_table_of_means_sets_the_published_ones_over_the_same_tasks_beside(three):
    style = tables.mean_table(three)
    rows = style.data[style.data["pruning"] == "s-pruning"].set_index("subnetwork")
    row, by_layer = rows.loc["bad"].iloc[1], rows.loc["random by layer"].iloc[1]
    assert by_layer[[source.name for source in three]].tolist()[::2] == ["not in the paper", "no record yet"]
    assert row["published: BERT-base"] == "62 [38, 87]"
    same = three[0].of("structured").query("subnetwork == 'bad' and treatment == 'retrained'").set_index("task")["lead"]
    assert row["published: BERT-base, on the tasks of the real study"].startswith(
        f"{100 * same[list(TASKS)].mean():.0f} ["
    )
    assert "s-pruning 5 tasks, 2 seeds, m-pruning 4 tasks, 1 to 2 seeds" in style.caption
    whole = tables.mean_table([three[0], three[0], three[2]]).data
    assert list(whole)[3:] == [source.name for source in (three[0], three[2])]


def test_means_of_the_table_by_task_are_those_of_its_cells(three):
    assert "random by layer" not in set(tables.task_table(three[0], "made-up").data["subnetwork"])
    shown = tables.task_table(three[1], "made-up").data
    for _, row in shown.iterrows():
        cells = [float(row[title].replace("−", "-")) for title in row.index[3:-1] if row[title] != "–"]
        assert len(cells) == (5 if row["pruning"] == "s-pruning" else 4)
        assert float(row["mean"].replace("−", "-")) == pytest.approx(np.mean(cells), abs=1)


def test_phrases_say_numbers_or_that_there_are_none(three, tmp_path):
    without = sources.real_source(tmp_path / "nowhere")
    assert tables.kept_number(three[0], "structured", "random") == "68\u00a0%"
    assert tables.kept_number(without, "structured", "bad") == "no record yet"
    assert tables.missing(three[1]) == "3 of s-pruning and 4 of m-pruning"
    assert tables.missing(without) == "8 of s-pruning and 8 of m-pruning"
    assert tables.missing(three[0]) == "none"


def test_a_folder_without_a_record_of_the_study_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no records in"):
        sources.real_source(tmp_path)
