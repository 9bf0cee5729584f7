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
# # Which weights survive?
#
# {term}`M-pruning <m-pruning>` takes single weights out of the fine-tuned model, those with the smallest absolute value first,
# over the whole encoder at once, as long as {glue:text}`threshold_m` of the full score remain.
#
# **What the paper says.** Good subnetworks exist here too, and the paper shows what share of each head's and MLP's weights
# they keep {cite}`prasanna2020`. Magnitude pruning is how lottery tickets were first found {cite}`frankle2019`. The released
# numbers fit smaller steps than the text says; see [](../protocol.md).
#
# **What this chapter was run on.** {glue:text}`run_on_magnitude`.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"

# %% tags=["remove-stderr"]
from lottery_utils import compute, open_study, show

show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, stages=["search"], methods=["magnitude"])

# %% tags=["hide-input"]
survival = show.frames.component_survival(study, "magnitude")
course = show.frames.search_course(study, "magnitude")
table = study.table(stages=["search"], methods=["magnitude"])
task, missing = show.frames.example_task(survival), show.frames.gaps(study, "magnitude").titles
show.glue_numbers(
    {
        "run_on_magnitude": show.sentences.run_on(study),
        "threshold_m": show.as_percent(study.preset.threshold),
        "gaps_magnitude": show.sentences.gap_sentence(study, "magnitude"),
        "sizes_magnitude": show.sentences.size_sentence(table, "magnitude"),
        "spread": show.sentences.spread_sentence(survival),
        "step": show.as_percent(study.preset.magnitude_step),
        "max_steps": study.preset.magnitude_max_steps,
    }
)

# %% [markdown]
# ## How the search goes
#
# Each step removes {glue:text}`step` of the weights still there; there are at most {glue:text}`max_steps` steps.
# {glue:text}`gaps_magnitude`

# %% mystnb={"figure": {"caption": "The magnitude searches: dev score against the share of prunable weights kept, a line a seed. Dashed: the seed's target. Diamonds: good subnetworks. Crosses: the masks that fell below the target.", "name": "fig-course-m"}, "image": {"alt": "Dev score against the share of weights kept, a panel for each task"}}
show.courses.magnitude_courses(course)

# %% [markdown]
# ## What survives
#
# A head's weights are its rows of query, key and value and its columns of the output map; an MLP's are both its maps. Shares
# differ little, so the colours span the range that occurs, not 0 to 1.

# %% mystnb={"figure": {"caption": "Survival under m-pruning, one task: the share of a head's or MLP's weights that the good subnetwork keeps, mean and sample standard deviation over seeds. (The paper's figure 1, m-pruning.)", "name": "fig-survival-m"}, "image": {"alt": "Map of the share of weights kept in each head and MLP, one task"}}
show.heatmaps.survival_of_task(survival, task, "magnitude")

# %% mystnb={"figure": {"caption": "Survival under m-pruning, all tasks, on one scale. (The paper's appendix.)", "name": "fig-survival-m-all"}, "image": {"alt": "Maps of the share of weights kept in each head and MLP, a panel for each task"}}
show.heatmaps.survival_of_tasks(survival, "magnitude", missing)

# %%
show.tables.size_table(table, "magnitude")

# %% [markdown]
# **What to see.** {glue:text}`sizes_magnitude` {glue:text}`spread` In {numref}`fig-survival-m-all` a map is light as a whole where
# the search went far; the differences *within* a map are what m-pruning says about heads and MLPs.
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
