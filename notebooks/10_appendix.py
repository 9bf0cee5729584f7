# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Everything, in numbers
#
# :::{admonition} Which map, which score, at what cost?
# :class: answer
#
# All maps of surviving heads and MLPs, all scores and the cost, source beside source. The paper's appendix has the same: maps of nine tasks for
# both kinds of pruning, and a table of twenty conditions.
#
# Computing: <span class="evidence"><span class="source published">published</span> {glue:text}`cost_published` h in {glue:text}`cost_logs` logs</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`cost_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`cost_run`</span>
# :::

# %% tags=["parameters", "hide-cell"] mystnb={"code_prompt_show": "Run this chapter: parameters", "code_prompt_hide": "Run this chapter: parameters"}
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # False: compute nothing and show gaps

# %% tags=["hide-cell", "remove-stderr"] mystnb={"code_prompt_show": "Run this chapter: what it computes and reads", "code_prompt_hide": "Run this chapter: what it computes and reads"}
from lottery_book import appendix, authors, side_by_side, sources, survivors
from lottery_utils import compute, open_study, show

NEEDS = {"stages": ["finetune", "baseline", "search", "score", "retrain"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
logged = authors.findings.of_footprint(sources.published.table("footprint"))
show.glue_numbers(
    {
        "cost_published": logged["cost_hours"],
        "cost_logs": logged["cost_logs"],
        "cost_real": appendix.total_of(real.study.records() if real.study else ()),
        "cost_run": appendix.total_of(study.records()),
        "rte_bad": run.score("rte", "structured", "bad", "retrained", 1337),
        "rte_full": run.score("rte", "", "full", "", 1337),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "How much good subnetworks keep: of the heads and of the MLPs by s-pruning, of the weights by m-pruning; means over seeds. On the demo the tasks are only like those whose row they share.", "name": "fig-sizes"}, "image": {"alt": "Shares of heads, MLPs and weights that good subnetworks keep, a row for each task, a mark for each source"}}
survivors.size_dots(three)

# %% [markdown]
# ## S-pruning, task by task
#
# The share of seeds whose {term}`good subnetwork` keeps a head or MLP. On WNLI the published searches could remove nearly everything, since their
# full model has no lead to lose.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Survival under s-pruning, a row for each task: published, real study, this run. (The paper's appendix.)", "name": "fig-appendix-s"}, "image": {"alt": "Maps of the share of seeds that keep each head and MLP, a row for each task, in three columns: published, real study, this run"}}
side_by_side.all_survival_maps(three, "structured")

# %% [markdown]
# ## M-pruning, task by task
#
# The share of its weights that the good subnetwork keeps of a head or MLP. The colours span what occurs, not 0 to 1.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Survival under m-pruning, a row for each task: published, real study, this run. (The paper's appendix.)", "name": "fig-appendix-m"}, "image": {"alt": "Maps of the share of weights kept in each head and MLP, a row for each task, in three columns: published, real study, this run"}}
side_by_side.all_survival_maps(three, "magnitude")

# %% [markdown]
# (appendix-results)=
# ## All scores
#
# The paper's table of twenty conditions, and the same of the real study and of this run.

# %% tags=["remove-input"]
appendix.score_tabs(three)

# %% [markdown]
# Every seed's score, as files that are part of this page:

# %% tags=["remove-input"]
appendix.csv_link(real.results.query("seed != 0"), "scores_real_study.csv")

# %% tags=["remove-input"]
appendix.csv_link(run.results.query("seed != 0"), "scores_this_run.csv")

# %% [markdown]
# (appendix-footprint)=
# ## What it cost
#
# Energy is estimated while a stage runs, by codecarbon {cite}`codecarbon`, from the power of the processor and the share of it that was used.
# [](../run.md) says how to choose the electricity grid that the CO2 is counted for. The authors' logs are of searches only, on another machine and by
# another tool ([](11_authors.ipynb)), so only the order of magnitude compares.
#
# From the package here: [`Meter`](../api/experiment.md) in {source}`lottery_utils/experiment/energy.py`, and the tables of this page in
# {source}`lottery_book/appendix.py`.

# %% tags=["remove-input"]
appendix.footprint_table(study.records(), "The footprint of this run, by stage.", "appendix-footprint-table")

# %% [markdown]
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `lottery run --preset demo --tasks rte --seeds 1337 --results try` | 26 s | each score of RTE-like for one seed: full model {glue:text}`rte_full` |
# | `papermill notebooks/10_appendix.ipynb out.ipynb -p tasks '["rte"]' -p seeds '[1337]' -p results_dir try` | 11 s | this chapter on them |
# | `lottery show rte/1337/retrain/structured/bad --results try` | 1 s | {glue:text}`rte_bad`, with all that its record says |
#
# **Exercise 1.** Why does WNLI not enter the last column of the tables of scores?
#
# :::{dropdown} Answer
# Its full model is below a constant answer. There is no lead, so no share of it can be kept.
# :::
#
# **Exercise 2.** Two rows of a table are means over different tasks. What can be read from their difference?
#
# :::{dropdown} Answer
# Nothing: an easy task in one row alone moves it as much as a better subnetwork does. Here rows of one method are over the same tasks.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
