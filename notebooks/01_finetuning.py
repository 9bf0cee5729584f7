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
# # What does the full model reach?
#
# Everything that follows compares parts of BERT with the whole. So first the whole: the pre-trained model is fine-tuned on
# each task, and set beside baselines that any result must beat to mean something.
#
# **What the paper does.** It fine-tunes BERT {cite}`devlin2019` on the nine GLUE tasks {cite}`wang2019glue`, with five seeds
# each, and reports the score on the dev set {cite}`prasanna2020`. [](../protocol.md) has the hyperparameters.
#
# **What this chapter was run on.** {glue:text}`run_on_finetuning`.

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
NEEDS = {"stages": ["finetune", "baseline"]}
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)

# %% tags=["hide-input"]
table = study.table(stages=["finetune", "baseline"], subnetworks=["majority", "bag_of_words", "random_init"])
results = show.scores.results(table)
show.glue_numbers(
    {"run_on_finetuning": show.sentences.run_on(study), "margins": show.sentences.margin_sentence(results)}
)

# %% [markdown]
# (tasks-table)=
# ## The tasks
#
# Two tasks about single sentences (CoLA, SST-2), the others about pairs. Correlation takes the place of accuracy where
# classes are uneven (CoLA) or labels are scores (STS-B). The {term}`majority score` is what a model gets that always gives
# the same answer. The paper's first table lists the same tasks.

# %%
show.tables.task_table(study)

# %% [markdown]
# ## Training

# %% mystnb={"figure": {"caption": "Training loss of the full models, one line a seed, smoothed over a twentieth of the steps. Cross-entropy; for STS-B squared error.", "name": "fig-loss"}, "image": {"alt": "Training loss against epochs, a panel for each task"}}
show.courses.loss_curves(show.frames.training_loss(study))

# %% [markdown]
# ## Scores
#
# Three baselines, from weak to strong: the majority class; a linear model on bags of words; and the *same network* with the
# same training, begun from random weights instead of pre-trained ones. What the full model adds to the last is what
# pre-training is worth.

# %% mystnb={"figure": {"caption": "Dev scores of the baselines and the full model. Bars are means over seeds, dots are seeds, the dashed line is the majority score.", "name": "fig-baselines"}, "image": {"alt": "Bars of majority, bag of words, random initialisation and full model, a panel for each task"}}
show.bars.baseline_bars(results)

# %%
show.tables.margin_table(results)

# %% tags=["hide-output"]
show.tables.seed_table(results, "Every seed's score.", "finetuning-seeds")

# %% [markdown]
# **What to see.** {glue:text}`margins` Where the full model does not even beat the majority score, there is
# nothing that a subnetwork could keep, and the chapters that follow show a {term}`gap`.
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
