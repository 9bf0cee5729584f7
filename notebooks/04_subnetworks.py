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
# # Are good subnetworks special?
#
# A {term}`good subnetwork` keeps most of the score because it was searched for that. Is it special? Two others of its size
# answer: a {term}`random subnetwork`, and a {term}`bad subnetwork` made of what the search pruned. Each is scored
# twice: {term}`pruned` (the fine-tuned weights under the mask) and {term}`retrained` (the *pre-trained* weights under the mask,
# fine-tuned again). A study may have a third one, {term}`random by layer`, which asks whether only the number of parts in each
# layer matters.
#
# **What the paper says** {cite}`prasanna2020`:
#
# 1. Pruned, good subnetworks are better than random ones, and random ones better than bad ones.
# 2. Retrained, m-pruning's good subnetworks are ahead of the others.
# 3. Retrained, s-pruning's bad subnetworks recover, to a useful score. Hence the title: all tickets are winning.
#
# **What this chapter was run on.** {glue:text}`run_on_subnetworks`.

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
compute(study, stages=["finetune", "score", "retrain"])

# %% tags=["hide-input"]
table = study.table(stages=["finetune", "search", "score", "retrain"], subnetworks=study.preset.subnetworks)
results = show.scores.results(table)


def better(method, first, second):
    return show.sentences.comparison_sentence(results, method, first, second)


show.glue_numbers(
    {
        "run_on_subnetworks": show.sentences.run_on(study),
        "kept_s": show.sentences.kept_sentence(results, "structured"),
        "kept_m": show.sentences.kept_sentence(results, "magnitude"),
        "gaps_s": show.sentences.gap_sentence(study, "structured"),
        "gaps_m": show.sentences.gap_sentence(study, "magnitude"),
        "s_good_random": better("structured", ("good", "pruned"), ("random", "pruned")),
        "s_random_bad": better("structured", ("random", "pruned"), ("bad", "pruned")),
        "s_layer": show.sentences.layer_sentence(results, "structured"),
        "m_layer": show.sentences.layer_sentence(results, "magnitude"),
        "m_good_random": better("magnitude", ("good", "pruned"), ("random", "pruned")),
        "m_random_bad": better("magnitude", ("random", "pruned"), ("bad", "pruned")),
        "m_good_random_again": better("magnitude", ("good", "retrained"), ("random", "retrained")),
        "m_good_bad_again": better("magnitude", ("good", "retrained"), ("bad", "retrained")),
        "s_bad_recovers": better("structured", ("bad", "retrained"), ("bad", "pruned")),
        "s_good_bad_again": better("structured", ("good", "retrained"), ("bad", "retrained")),
    }
)

# %% [markdown]
# ## S-pruning: heads and MLPs
#
# {glue:text}`kept_s` {glue:text}`gaps_s` {glue:text}`s_layer`

# %% mystnb={"figure": {"caption": "S-pruning: dev scores of the full model and of good, random and bad subnetworks, pruned (light) and retrained (full colour). Bars are means over seeds, dots are seeds, the dashed line is the majority score. (The paper's figure 3, s-pruning.)", "name": "fig-bars-s"}, "image": {"alt": "Bars of majority, full model and subnetworks of s-pruning, a panel for each task"}}
show.bars.subnetwork_bars(results, table, "structured")

# %% [markdown]
# ## M-pruning: single weights
#
# {glue:text}`kept_m` {glue:text}`gaps_m` {glue:text}`m_layer`

# %% mystnb={"figure": {"caption": "M-pruning: dev scores of the full model and of good, random and bad subnetworks, pruned (light) and retrained (full colour). Bars are means over seeds, dots are seeds, the dashed line is the majority score. (The paper's figure 3, m-pruning.)", "name": "fig-bars-m"}, "image": {"alt": "Bars of majority, full model and subnetworks of m-pruning, a panel for each task"}}
show.bars.subnetwork_bars(results, table, "magnitude")

# %% [markdown]
# ## All numbers

# %%
show.tables.results_table(
    results,
    "Dev scores, mean ± sample deviation over seeds. The last column is the mean share of the full model's score.",
    "results",
)

# %% tags=["hide-output"]
show.tables.seed_table(results, "Every seed's score.", "subnetwork-seeds")

# %% [markdown]
# ## What to see
#
# The paper's statements, one by one, against this run. Differences are in points of the full model's score, paired by task
# and seed; a statement counts as shown when the interval over tasks lies above 0. The good subnetwork's own score, pruned, was
# what the search selected on, so its lead there is partly by construction.
#
# | the paper says | this run |
# |---|---|
# | s-pruning, pruned: good above random | {glue:text}`s_good_random` |
# | s-pruning, pruned: random above bad | {glue:text}`s_random_bad` |
# | m-pruning, pruned: good above random | {glue:text}`m_good_random` |
# | m-pruning, pruned: random above bad | {glue:text}`m_random_bad` |
# | m-pruning, retrained: good above random | {glue:text}`m_good_random_again` |
# | m-pruning, retrained: good above bad | {glue:text}`m_good_bad_again` |
# | s-pruning: bad recovers when retrained | {glue:text}`s_bad_recovers` |
#
# How far does it recover? Set against the good ones, retrained: is good still above bad? {glue:text}`s_good_bad_again`
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
