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
# (explorer)=
# # Watch a search
#
# The paper shows where its searches ended {cite}`prasanna2020`. This page shows the way there. Choose a run, a task, a method
# and a seed, and move the slider: heads and MLPs go one step at a time, the least important first, until the score
# falls below the {term}`target`. The run `laptop` comes from the records in the repository, the other from this chapter's results.
#
# **What this chapter was run on.** {glue:text}`run_on_explorer`.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import explorer
from lottery_utils import compute, open_study, show

NEEDS = [
    {"stages": ["search"]},
    {"preset": "laptop", "overrides": {"precision": "bf16"}, "records": "records/laptop"},
]
study = open_study(preset, tasks, seeds, overrides, results_dir)
study, laptop = compute(study, NEEDS, compute_missing)
studies = {preset: study, "laptop (stored)": laptop}

# %% tags=["hide-input"]
show.glue_numbers(
    {
        "run_on_explorer": show.sentences.run_on(study),
        "explorer_gaps_s": show.sentences.gap_sentence(study, "structured"),
        "explorer_gaps_m": show.sentences.gap_sentence(study, "magnitude"),
    }
)

# %% [markdown]
# ## The explorer

# %%
explorer.page.explorer(studies)

# %% [markdown]
# ## What to see
#
# - **S-pruning.** A framed cell goes at the next step, a crossed one went at this step. When a step falls below the target, the search
#   goes back to the last subnetwork that passed and tries a finer step: heads alone, then MLPs alone. The diamond is
#   where it ends, the {term}`good subnetwork`. Importances are measured anew at every step: what was cheap to lose at first need not
#   stay so. Figure 1 of the paper is the mean of such last pictures; ours is in [](02_structured.ipynb).
# - **M-pruning.** No component goes as a whole; the number in a cell is the share of its weights that are left. See
#   [](03_magnitude.ipynb).
# - **Seeds.** Keep the task and change the seed: the same heads need not go.
#
# S-pruning: {glue:text}`explorer_gaps_s` M-pruning: {glue:text}`explorer_gaps_m` A task with a gap says so in the list, and its page says why.
