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
# # A real BERT on real GLUE data
#
# The chapters before this one can be run on anything; in this book they show a small model on a made-up language. Here is the
# same path with nothing made up: a small English BERT of six layers {cite}`wang2020minilm,reimers2019`, fine-tuned and pruned
# on tasks of GLUE {cite}`wang2019glue`. The model is all-MiniLM-L6-v2. It is not the paper's model, and it is smaller and distilled; what it shows is that
# the path holds on real input, and what the paper's questions look like there.
#
# Nothing is computed on this page. The records came with the repository; to compute them again, see [](../run.md).
#
# **What was run.** {glue:text}`run_on_laptop`.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = {"preset": "laptop", "overrides": {"precision": "bf16"}, "records": "records/laptop"}
(study,) = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)

# %% tags=["hide-input"]
table = study.table()
results = show.scores.results(table)
survival = {method: show.frames.component_survival(study, method) for method in study.preset.methods}
course = {method: show.frames.search_course(study, method) for method in study.preset.methods}
missing = {method: show.frames.gaps(study, method).titles for method in study.preset.methods}
task = show.frames.example_task(survival["structured"], "mrpc")
show.glue_numbers(
    {
        "run_on_laptop": show.sentences.run_on(study),
        "laptop_margins": show.sentences.margin_sentence(results),
        "laptop_gaps_s": show.sentences.gap_sentence(study, "structured"),
        "laptop_gaps_m": show.sentences.gap_sentence(study, "magnitude"),
        "laptop_sizes_s": show.sentences.size_sentence(table, "structured"),
        "laptop_sizes_m": show.sentences.size_sentence(table, "magnitude"),
        "laptop_stability": show.sentences.stability_sentence(survival["structured"]),
        "laptop_kept_s": show.sentences.kept_sentence(results, "structured"),
        "laptop_kept_m": show.sentences.kept_sentence(results, "magnitude"),
    }
)

# %% [markdown]
# ## The full model

# %%
show.tables.task_table(study)

# %% mystnb={"figure": {"caption": "Real input: dev scores of the full model and those baselines that were run. Bars are means over seeds, dots are seeds, the dashed line is the majority score.", "name": "fig-laptop-baselines"}, "image": {"alt": "Bars of baselines and full model, a panel for each task"}}
show.bars.baseline_bars(results)

# %% [markdown]
# {glue:text}`laptop_margins`
#
# ## S-pruning
#
# {glue:text}`laptop_sizes_s` {glue:text}`laptop_gaps_s`

# %% mystnb={"figure": {"caption": "Real input: the structured search of one task, a column a seed. Marks as in {numref}`fig-course-s`.", "name": "fig-laptop-course-s"}, "image": {"alt": "Score and share of heads and MLPs left against search steps, one column for each seed"}}
show.courses.structured_course(course["structured"], task)

# %% mystnb={"figure": {"caption": "Real input: survival of heads and MLPs under s-pruning.", "name": "fig-laptop-survival-s"}, "image": {"alt": "Maps of the share of seeds that keep each head and MLP, a panel for each task"}}
show.heatmaps.survival_of_tasks(survival["structured"], "structured", missing["structured"])

# %%
show.tables.size_table(table, "structured")

# %% [markdown]
# {glue:text}`laptop_stability`

# %% mystnb={"figure": {"caption": "Real input, s-pruning: the full model and good, random and bad subnetworks, pruned and retrained.", "name": "fig-laptop-bars-s"}, "image": {"alt": "Bars of majority, full model and subnetworks of s-pruning, a panel for each task"}}
show.bars.subnetwork_bars(results, table, "structured")

# %% [markdown]
# {glue:text}`laptop_kept_s`
#
# ## M-pruning
#
# {glue:text}`laptop_sizes_m` {glue:text}`laptop_gaps_m`

# %% mystnb={"figure": {"caption": "Real input: the magnitude searches. Marks as in {numref}`fig-course-m`.", "name": "fig-laptop-course-m"}, "image": {"alt": "Dev score against the share of weights kept, a panel for each task"}}
show.courses.magnitude_courses(course["magnitude"])

# %% mystnb={"figure": {"caption": "Real input: the share of weights of each head and MLP kept by m-pruning, mean over seeds.", "name": "fig-laptop-survival-m"}, "image": {"alt": "Maps of the share of weights kept in each head and MLP, a panel for each task"}}
show.heatmaps.survival_of_tasks(survival["magnitude"], "magnitude", missing["magnitude"])

# %%
show.tables.size_table(table, "magnitude")

# %% mystnb={"figure": {"caption": "Real input, m-pruning: the full model and good, random and bad subnetworks, pruned and retrained.", "name": "fig-laptop-bars-m"}, "image": {"alt": "Bars of majority, full model and subnetworks of m-pruning, a panel for each task"}}
show.bars.subnetwork_bars(results, table, "magnitude")

# %% [markdown]
# {glue:text}`laptop_kept_m`
#
# ## All numbers

# %%
show.tables.results_table(results, "Real input: dev scores, mean ± sample deviation over seeds.", "laptop-results")

# %% tags=["hide-output"]
show.tables.seed_table(results, "Real input: every seed's score.", "laptop-seeds")

# %% [markdown]
# ## What this was run on

# %%
show.tables.provenance_table(study)
