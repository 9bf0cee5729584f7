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
# The appendix: each task's map of surviving heads and MLPs with its numbers, every score of every condition and seed, and
# what it all cost.
#
# **What the paper says.** Its appendix has the maps of all nine tasks for both kinds of pruning, and a table of scores, mean and
# deviation over five seeds {cite}`prasanna2020`; it states the energy and CO2 of its experiments.
#
# **What this chapter was run on.** {glue:text}`run_on_appendix`.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import downloads, footprint
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = {"stages": ["finetune", "baseline", "search", "score", "retrain"]}
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)

# %% tags=["hide-input"]
records = study.records()
results = show.scores.results(study.table())
survival = {method: show.frames.component_survival(study, method) for method in ("structured", "magnitude")}
missing = {method: show.frames.gaps(study, method).titles for method in survival}
show.glue_numbers(
    {
        "run_on_appendix": show.sentences.run_on(study),
        "appendix_gaps_s": show.sentences.gap_sentence(study, "structured"),
        "appendix_gaps_m": show.sentences.gap_sentence(study, "magnitude"),
        "appendix_footprint": footprint.footprint_sentence(records),
    }
)

# %% [markdown]
# ## S-pruning, task by task
#
# In each cell the share of seeds whose {term}`good subnetwork` keeps the head or MLP, and below it the sample standard deviation.
# [](02_structured.ipynb) has the same maps side by side. {glue:text}`appendix_gaps_s`

# %% mystnb={"figure": {"caption": "Survival under s-pruning, task by task: the share of seeds that keep a head or MLP, mean and sample standard deviation. (The paper's appendix.)", "name": "fig-appendix-s"}, "image": {"alt": "Maps of heads and MLPs with the share of seeds that keep each, one below the other, a map for each task"}}
show.heatmaps.survival_in_numbers(survival["structured"], "structured", missing["structured"])

# %% [markdown]
# ## M-pruning, task by task
#
# In each cell the share of the head's or MLP's weights that the {term}`good subnetwork` keeps. [](03_magnitude.ipynb) has the same
# maps side by side. {glue:text}`appendix_gaps_m`

# %% mystnb={"figure": {"caption": "Survival under m-pruning, task by task: the share of a head's or MLP's weights that is kept, mean and sample standard deviation over seeds. (The paper's appendix.)", "name": "fig-appendix-m"}, "image": {"alt": "Maps of heads and MLPs with the share of weights kept in each, one below the other, a map for each task"}}
show.heatmaps.survival_in_numbers(survival["magnitude"], "magnitude", missing["magnitude"])

# %% [markdown]
# (appendix-results)=
# ## All scores
#
# Everything stored for this preset: also the conditions that only one chapter asks for. The paper's table has twenty conditions.

# %%
show.tables.results_table(
    results,
    "Dev scores of every condition, mean ± sample deviation over seeds. The last column is the mean share of the full model's score.",
    "appendix-results-table",
)

# %% [markdown]
# The values behind it, seed by seed; and all of them as a file, which is part of this page.

# %% tags=["hide-output"]
show.tables.seed_table(results, "Every seed's score.", "appendix-seeds")

# %%
downloads.csv_link(results, "scores.csv")

# %% [markdown]
# (appendix-footprint)=
# ## What it cost
#
# {glue:text}`appendix_footprint` Energy is estimated while a cell runs, by codecarbon {cite}`codecarbon`, from the power of the processor
# and the share of it that was used; [](../run.md) says how to choose the electricity grid that the CO2 is counted for. The paper's
# experiments were tracked with another tool, on other hardware, so only the order of magnitude compares.

# %%
footprint.footprint_table(records, "The footprint of the results above, by stage.", "appendix-footprint-table")

# %% [markdown]
# **What to see.** The two sets of maps answer different questions: under s-pruning a cell is a matter of seeds, under m-pruning of
# weights. In the table, look along a row for how uneven tasks are, and at the deviations before reading a difference as one.
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
