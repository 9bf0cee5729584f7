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
# # Which heads and MLPs survive?
#
# {term}`S-pruning <s-pruning>` takes whole attention heads and MLPs out of the fine-tuned model, the least important first, as
# long as {glue:text}`threshold_s` of the full score remain. What is left is the {term}`good subnetwork`.
#
# **What the paper says.** Good subnetworks exist: many heads and some MLPs can go. But they are not stable: another
# fine-tuning seed gives another subnetwork {cite}`prasanna2020`. Importance is the expected absolute gradient of the loss with
# respect to a component's gate {cite}`michel2019,molchanov2017`; see [](../protocol.md).
#
# **What this chapter was run on.** {glue:text}`run_on_structured`.

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
compute(study, stages=["search"], methods=["structured"])

# %% tags=["hide-input"]
survival = show.frames.component_survival(study, "structured")
course = show.frames.search_course(study, "structured")
table = study.table(stages=["search"], methods=["structured"])
task, missing = show.frames.example_task(survival), show.frames.gaps(study, "structured").titles
show.glue_numbers(
    {
        "run_on_structured": show.sentences.run_on(study),
        "threshold_s": show.as_percent(study.preset.threshold),
        "gaps_structured": show.sentences.gap_sentence(study, "structured"),
        "sizes_structured": show.sentences.size_sentence(table, "structured"),
        "stability": show.sentences.stability_sentence(survival),
    }
)

# %% [markdown]
# ## How the search goes
#
# The joint search has three {term}`phases <phase>`: heads and MLPs together until the score falls below the {term}`target`; then, from
# the last mask that passed, heads alone in half steps; then MLPs alone. {glue:text}`gaps_structured`

# %% mystnb={"figure": {"caption": "The structured search of one task, a column a seed. Above: the dev score after each step; the dashed line is the target, crosses are masks that fell below it, the diamond is the good subnetwork. Below: heads and MLPs left. Shaded and numbered: the phases (1 heads and MLPs, 2 heads in half steps, 3 MLPs).", "name": "fig-course-s"}, "image": {"alt": "Score and share of heads and MLPs left against search steps, one column for each seed"}}
show.courses.structured_course(course, task)

# %% [markdown]
# What goes first is what has the least {term}`importance` in the full model. The order changes on the way, since importance is
# measured anew after each step.

# %% mystnb={"figure": {"caption": "Importance of heads and MLPs in the full model, before anything is pruned; mean over seeds. Heads are normalised within their layer, MLPs are not, so compare heads with heads and MLPs with MLPs.", "name": "fig-importance"}, "image": {"alt": "Maps of importance by layer and head, a panel for each task"}}
show.heatmaps.importance_of_tasks(show.frames.component_importance(study), missing)

# %% [markdown]
# ## What survives
#
# For one task first, with the numbers; the paper shows QNLI in its first figure.

# %% mystnb={"figure": {"caption": "Survival under s-pruning, one task: the share of seeds whose good subnetwork keeps a head or MLP, with its sample standard deviation. (The paper's figure 1, s-pruning.)", "name": "fig-survival-s"}, "image": {"alt": "Map of the share of seeds that keep each head and MLP, one task"}}
show.heatmaps.survival_of_task(survival, task, "structured")

# %% mystnb={"figure": {"caption": "Survival under s-pruning, all tasks. (The paper's appendix.)", "name": "fig-survival-s-all"}, "image": {"alt": "Maps of the share of seeds that keep each head and MLP, a panel for each task"}}
show.heatmaps.survival_of_tasks(survival, "structured", missing)

# %% mystnb={"figure": {"caption": "In how many tasks a head or MLP survives: mean over seeds, and sample standard deviation. (The paper's figure 2.)", "name": "fig-survival-across"}, "image": {"alt": "Map of the number of tasks in which each head and MLP survives"}}
show.heatmaps.survival_across_tasks(survival)

# %%
show.tables.size_table(table, "structured")

# %% [markdown]
# **What to see.** {glue:text}`sizes_structured` {glue:text}`stability` Where the two numbers are close, seeds agree no more than
# they would by chance; a component that survives in every seed of every task would be dark in all maps of
# {numref}`fig-survival-s-all`.
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
