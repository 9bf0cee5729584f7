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
# # What else people rank by
#
# Do other scores of heads, MLPs and weights find better subnetworks than the paper's, at equal size, and where does each break?
#
# The paper removes heads and MLPs by the loss's gradient with respect to their gates, and single weights by their size over the
# whole encoder. Each is one choice of many. This chapter prunes the same fine-tuned models by other scores, to the same sizes, and
# asks where each breaks. *Nothing is trained after pruning*, and sizes go down to a twentieth.
#
# **What the paper shows.** One score of each kind. It takes importance from {cite:t}`michel2019`, layer norms from
# {cite:t}`molchanov2017`, and does not compare with other scores {cite}`prasanna2020`.
#
# **What was run.** {glue:text}`run_on_methods`; {glue:text}`cost_methods`. {glue:text}`gaps_methods` The records came with the
# repository; nothing is computed on this page.
#
# **The answer.** S-pruning: {glue:text}`standing_s` M-pruning: {glue:text}`standing_m`
#
# In brackets are differences from the paper's way in points of the lead with their interval over tasks, on how many tasks a way is
# ahead, and how many seeds alone agree with the sign of the mean. What is called more or less holds up to Holm's correction for the number of
# comparisons; the intervals are not corrected.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import method_comparison
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = [
    {
        "stages": ["curve"],
        "methods": ["structured"],
        "overrides": [
            {"importance": "exact"},
            {"importance": "exact", "score": "gate"},
            {"importance": "exact", "score": "taylor"},
            {"importance": "exact", "score": "output"},
            {"importance": "exact", "score": "entropy"},
            {"importance": "exact", "score": "random"},
        ],
        "records": "records/methods/demo",
    },
    {
        "stages": ["curve"],
        "methods": ["magnitude"],
        "overrides": [
            {},
            {"unstructured": "global"},
            {"unstructured": "layer"},
            {"unstructured": "snip"},
            {"unstructured": "random"},
        ],
        "records": "records/methods/demo",
    },
]
study = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)[0]

# %% tags=["hide-input"]
frame = method_comparison.frames.curves(study)
found = method_comparison.standings.standings(frame, study.preset.threshold)
show.glue_numbers(
    {
        "run_on_methods": show.sentences.run_on(study),
        "cost_methods": show.stored.cost_of(study),
        "gaps_methods": method_comparison.text.gap_sentence(study),
        "sizes_methods": method_comparison.text.size_sentence(frame),
        "seeds_methods": method_comparison.text.seed_sentence(frame),
        "standing_s": method_comparison.text.standing_sentence(found, "structured"),
        "standing_m": method_comparison.text.standing_sentence(found, "magnitude"),
        "chance_s": method_comparison.text.chance_sentence(found, "structured"),
        "chance_m": method_comparison.text.chance_sentence(found, "magnitude"),
        "breaks_s": method_comparison.text.break_sentence(found, "structured"),
        "breaks_m": method_comparison.text.break_sentence(found, "magnitude"),
        "spread_s": method_comparison.text.spread_sentence(frame, "structured"),
        "spread_m": method_comparison.text.spread_sentence(frame, "magnitude"),
    }
)

# %% [markdown]
# ## The ways

# %%
method_comparison.text.methods_table()

# %% [markdown]
# *S-pruning.* Every score is asked anew under each mask, as in the search. `gate` is the paper's {term}`importance`. `taylor` is the
# first-order criterion of {cite:t}`molchanov2019` by weight group: the sum of $(w \, \partial L / \partial w)^2$ over a
# component's weights, with $L$ the mean loss on dev. `output` is the mean norm of what a component adds to a token. In these
# three, heads are divided by their layer's L2 norm. `entropy` keeps heads whose attention is focused, $1 - H / \log T$ over the $T$
# tokens of an example; an MLP attends to nothing, so MLPs go by `output`. `output` and `entropy` need no labels.
#
# *M-pruning.* Weights are ranked once, in the fine-tuned model. `layer` takes the same share of every matrix and bias. `snip` ranks
# by $|w \, \partial L / \partial w|$ {cite}`lee2019`, which was proposed for networks before training; here it sees the
# fine-tuned weights and a few hundred *training* examples, so that no way to rank weights looks at dev.
#
# **Equal size.** At each size the same share of heads and of MLPs is left, rounded, for every score, and for weights the
# same number. So at one size all subnetworks of a kind have equally many parameters. {glue:text}`sizes_methods`
#
# **Breaking.** Two marks for each curve: the largest size at which the score falls under the search's {term}`target`, and
# the largest at which it falls under the midpoint between full and majority score. Between them lies the phase in which it breaks.
#
# ## On average

# %% mystnb={"figure": {"caption": "The lead over the majority score that pruned models keep, without training, against the share of prunable weights left: mean over tasks, seeds averaged within each; bands span the means of each seed alone. 100 is the full model, 0 a constant answer; dotted is half of the lead. All lines of a panel have the same sizes.", "name": "fig-methods-mean"}, "image": {"alt": "Two panels, s-pruning and m-pruning: falling lines of the lead kept against the share of weights left, one for each way to rank"}}
method_comparison.figures.mean_curves(frame)

# %% mystnb={"figure": {"caption": "The same beside the paper's way, which is 0: differences in points of the lead, paired by task and seed. Bands are 95 % intervals over tasks of each size by itself, not corrected for the number of sizes.", "name": "fig-methods-sizes"}, "image": {"alt": "Two panels: the difference of each way to rank from the paper's way against the share of weights left, with bands around 0"}}
method_comparison.difference_figures.size_differences(frame)

# %% mystnb={"figure": {"caption": "Over all sizes: lead kept minus that of the paper's way, points of size by which a way breaks later than it at the two marks, and lead kept minus that of a random order. Paired by task and seed; thick lines are 95 % intervals over tasks, thin ones the bootstrap's over tasks and seeds, numbers count tasks; filled where Holm's corrected p over all differences of the kind of pruning is at most 0.05.", "name": "fig-methods-standings"}, "image": {"alt": "Points with intervals, a row for each way to rank but the paper's, panels for lead kept, the two marks and lead above random"}}
method_comparison.difference_figures.standing_forest(found)

# %% mystnb={"figure": {"caption": "Where each way to rank breaks: bars from the size at which the score falls under 90 % of the full score to that at which it falls under the midpoint of full and majority score, mean over tasks; dots are tasks, filled for the first mark, hollow for the second; black lines span the means of each seed alone. At 0 it does not fall.", "name": "fig-methods-phases"}, "image": {"alt": "A bar for each way to rank, from the size where it starts to break to where half of the lead is gone, with a dot for each task"}}
method_comparison.figures.break_phases(frame, study.preset.threshold)

# %%
method_comparison.text.standings_table(found)

# %% [markdown]
# **What to see.** S-pruning: {glue:text}`chance_s` {glue:text}`breaks_s` {glue:text}`spread_s`
#
# M-pruning: {glue:text}`chance_m` {glue:text}`breaks_m` {glue:text}`spread_m`
#
# The scores of s-pruning look at the dev set that they are scored on, as the paper's does, and `gate` and `taylor` at its labels
# too: that may favour these two.
#
# ## Task by task
#
# {glue:text}`seeds_methods`

# %% mystnb={"figure": {"caption": "S-pruning: dev score against the share of heads and MLPs left, mean over seeds, no training after pruning; bands span the seeds.", "name": "fig-methods-tasks-s"}, "image": {"alt": "Dev score against size, a panel for each task and a line for each score that ranks heads and MLPs"}}
method_comparison.figures.task_curves(frame, "structured", study.preset.threshold)

# %% mystnb={"figure": {"caption": "M-pruning: dev score against the share of prunable weights left, mean over seeds, no training after pruning; bands span the seeds.", "name": "fig-methods-tasks-m"}, "image": {"alt": "Dev score against size, a panel for each task and a line for each way to rank single weights"}}
method_comparison.figures.task_curves(frame, "magnitude", study.preset.threshold)

# %% tags=["hide-output"]
method_comparison.text.curves_table(frame)

# %% [markdown]
# ## Your own
#
# A way to rank is a function in a file. It gets a view of the fine-tuned model and gives back a score for each head and MLP, or
# for each prunable weight; the lowest go first. This one ranks components by the size of their weights:
#
# ```python
# # my_scores.py
# import torch
#
# from lottery_utils.pruning.components import component_sums
#
#
# def size(view):
#     """Sum of squared weights of each head (L, H) and each MLP (L,)."""
#     weights = view.body.prunable_parameters()
#     return component_sums(view.body, {name: w.detach().square() for name, w in weights.items()})
#
#
# def signed(view):
#     """Single weights: negative ones go first, then small ones."""
#     return {name: torch.exp(w.detach()) for name, w in view.parameters.items()}
# ```
#
# ```
# lottery run --stages curve --set score=my_scores.py:size                        # its curve
# lottery run --set score=my_scores.py:size unstructured=my_scores.py:signed      # search, controls, retraining, all of it
# lottery run --set score=taylor unstructured=snip                                # the same with methods of the registry
# ```
#
# What comes out are ordinary masks: they are retrained, exported and shown as any other. The file's content is part of the
# {term}`address`, so a changed function never meets old results. The view also offers `view.compact()`, the subnetwork as a
# smaller model, `view.batches()`, the dev set, and `view.rng()`; see [](../api/pruning.md).
#
# ## What this does not show
#
# No subnetwork of this page was trained again: what a score keeps without training says nothing about what its subnetworks reach
# when they are retrained, which is what the paper's claim is about. Sizes are shares of components or of weights, so between
# s-pruning and m-pruning the same size is not the same number of weights. The models are small, so that a size may differ from the next
# by an MLP that is a large part of the weights. First-order scores are taken in one look (weights) or anew at each size
# (components); methods that prune and train by turns were not run.
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
