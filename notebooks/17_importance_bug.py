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
# # Does the common importance bug matter?
#
# :::{admonition} Do the same heads go, and is what stays as good, when gradients are summed as common scripts sum them?
# :class: answer
#
# Other heads go. In MiniLM the common script and the paper's formula share about half of the first heads to be removed. That what stays is better or
# worse could not be shown, but three tasks leave room for a difference.
#
# First heads removed by both: <span class="evidence"><span class="source published">published</span> {glue:text}`shared_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> MiniLM {glue:text}`shared_minilm`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`shared_run`</span>
# :::

# %% tags=["parameters", "hide-cell"] mystnb={"code_prompt_show": "Run this chapter: parameters", "code_prompt_hide": "Run this chapter: parameters"}
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["hide-cell", "remove-stderr"] mystnb={"code_prompt_show": "Run this chapter: what it computes and reads", "code_prompt_hide": "Run this chapter: what it computes and reads"}
import numpy as np

from lottery_book import importance_rules, sources
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = [
    {"stages": ["importance"], "methods": ["structured"], "records": "records/importance/demo"},
    {
        "stages": ["score"],
        "methods": ["structured"],
        "subnetworks": ["good", "bad"],
        "overrides": [
            {"importance": "exact"},
            {"importance": "running"},
            {"importance": "released"},
            {"importance": "batched"},
            {"importance": "running", "importance_order": 1},
            {"importance": "running", "importance_batch": 1},
            {"importance": "running", "importance_batch": 8},
            {"importance": "running", "importance_batch": 32},
        ],
        "records": "records/importance/demo",
    },
    {
        "stages": ["retrain"],
        "methods": ["structured"],
        "subnetworks": ["good", "bad"],
        "overrides": [{"importance": "exact"}, {"importance": "running"}],
        "records": "records/importance/demo",
    },
    {"preset": "laptop", "overrides": {"precision": "bf16"}, "records": "records/importance/laptop"},
]
study, *_, minilm = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)
names = {one: sources.model_name(one.preset) for one in (study, minilm)}
run, real = (importance_rules.frames.compared(one) for one in (study, minilm))
both = {names[study]: run, names[minilm]: real}
numbers = importance_rules.numbers
correlations = {batch: numbers.mean_of(real.full_model, "correlation", batch=batch) for batch in (1, 8, 32, 64)}
show.holds("they share about half of the first heads", numbers.mean_of(real.full_model, "shared"), 0.4, 0.6)
show.holds("small batches mend batched", numbers.mean_of(real.full_model, "correlation", "batched", 8), above=0.97)
show.holds("and not running", max(correlations.values()) - min(correlations.values()), below=0.02)
show.holds("no difference is shown", sum(effect.decided for effect in real.effects.values()), below=1)
show.holds("seeds agree less", numbers.seeds_mean(real, "exact") - numbers.seeds_mean(real, "running 64"), above=0.1)
show.glue_numbers(
    {
        "shared_published": "not compared",
        "shared_minilm": numbers.shared(real.full_model),
        "shared_run": numbers.shared(run.full_model),
        "orders_minilm": numbers.shared(real.between_orders),
        "orders_run": numbers.shared(run.between_orders),
        "seeds_minilm": numbers.seeds_phrase(real),
        "seeds_run": numbers.seeds_phrase(run),
        "likeness_minilm": numbers.likeness_phrase(real),
        "likeness_run": numbers.likeness_phrase(run),
        "size_minilm": numbers.effect_phrase(real, "same size"),
        "size_run": numbers.effect_phrase(run, "same size"),
        "weights_minilm": numbers.effect_phrase(real, "weights"),
        "weights_run": numbers.effect_phrase(run, "weights"),
        "provenance_minilm": show.sentences.run_on(minilm),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "How near each sum comes to the formula: Spearman's rank correlation over the heads of the full model, in six orders of the dev set. One dot per task, mean over seeds and orders; lines are means over tasks. With all examples in one batch the two sums are the same. MiniLM on real GLUE.", "name": "fig-sums-correlation"}, "image": {"alt": "Rank correlation with exact importances against the batch size, two lines, a panel for this run and one for MiniLM"}}
importance_rules.figures.batch_lines(
    {name: one.full_model for name, one in both.items()}, "rank correlation with exact"
)

# %% [markdown]
# ## What to see
#
# The paper prints the {term}`importance` of a head as the mean over examples of the absolute gradient of its gate, after Michel et al.
# {cite}`michel2019`. Scripts that go back to one common ancestor, the authors' among them, do two things differently. They take the absolute
# value of a whole batch, where examples of opposite sign cancel. And they never set the gradient back to zero, so each batch adds the absolute
# value of *all gradients so far*.
#
# The figure takes these apart. *Batched* has the first fault alone, and smaller batches mend it: with one example a batch it is the formula.
# *Running* has the second, and no batch size mends it. Its first examples are counted again and again, however few make a batch.
#
# ## How it is computed
#
# One pass over the dev set gives every example's gradients, and each rule sums the same ones. [](07_importance.ipynb) shows the sums as code on three
# examples. What a search does with them takes ten lines: it divides by layer, ranks, and removes a tenth. From MiniLM's stored sums:


# %%
def first_removed(sums, share=0.1):
    """What the first step takes: the lowest heads, each layer divided by its length."""
    ranked = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return set(np.argsort(ranked, axis=None, kind="stable")[: int(share * ranked.size)])


searched_by = importance_rules.frames.rule_studies(minilm)
for (task, title, seed), sums in importance_rules.frames.importances(minilm).items():
    of_64 = list(sums["batches"]).index(64)
    removed = {
        "exact": first_removed(sums["exact_heads"]),
        "running 64": first_removed(sums["running_heads"][of_64, 0]),
    }
    for rule, heads in removed.items():  # the stored searches took them
        course = searched_by[rule].trajectory(f"{task}/{seed}/search/structured/good")
        assert heads == set(np.flatnonzero(~course["heads"][1].astype(bool)))
    shared = removed["exact"] & removed["running 64"]
    print(f"{title}, seed {seed}: {len(shared)} of {len(heads)} heads removed by both")

# %% [markdown]
# This is the data's own order; over six orders they share {glue:text}`shared_minilm` on average.
#
# From the package here: [`reduce_gradients`](../api/pruning.md); the rules in words are in [](../protocol.md).
#
# ## The order of the examples
#
# The formula is a mean over examples, whose order does not matter. For both sums it does, since it decides what a batch holds. For the running sum
# it also decides what is counted often.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The same examples in another order: mean rank correlation between two of six orders of the dev set, under one sum. In one batch of all examples there is no order.", "name": "fig-sums-orders"}, "image": {"alt": "Rank correlation between two orders of the same examples against the batch size, two lines, two panels"}}
importance_rules.figures.batch_lines(
    {name: one.between_orders for name, one in both.items()}, "rank correlation of two orders"
)

# %% [markdown]
# Shuffle the dev set under running sums over batches of 64, and of the first heads to go {glue:text}`orders_minilm` are the same in MiniLM, {glue:text}`orders_run` in this run. The
# rest are decided by the shuffle, not by the model.
#
# The rule also makes seeds look less alike. The rank correlation of two seeds' heads in MiniLM is {glue:text}`seeds_minilm`; in this run it is
# {glue:text}`seeds_run`. Part of what [](08_agreement.ipynb) finds between the authors' seeds may be made by the sum.
#
# ## In the search
#
# The same fine-tuned models, searched under each rule. *Released* is the authors' whole procedure: running sums over batches of 64, norms of a
# layer that take in removed heads, and stale importances where the search changes phase.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Which heads stay: Jaccard index of each rule's good subnetworks with those of the formula, for the same fine-tuned model; below, of two seeds that are both searched by the formula. Bars are means over tasks, dots tasks, black marks the chance level.", "name": "fig-sums-heads"}, "image": {"alt": "Bars of the Jaccard index with the exact masks, a row a rule, two panels, with chance levels"}}
importance_rules.figures.likeness_bars(both)

# %% [markdown]
# Another rule changes the subnetwork about as much as another seed does. Script against formula, the Jaccard index in MiniLM is
# {glue:text}`likeness_minilm`; in this run it is {glue:text}`likeness_run`.
#
# Is what stays as good? In its first phase a search removes the same number at each step under every rule, so scores can be compared at equal
# size. Later a better rule shows as a smaller subnetwork, for all searches stop at the same share of the full score. Points are hundredths: of the
# full model's score, or of the prunable weights.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Each rule minus the formula, paired by task and seed: score over the steps of the first phase that both searches took, and the share of prunable weights kept. Numbers count tasks. No mark is filled where nothing holds up to Holm's correction.", "name": "fig-sums-effects"}, "image": {"alt": "Points with intervals, a row a rule, panels for score at equal size and weights kept, this run and MiniLM"}}
importance_rules.figures.effects_forest(both)

# %% [markdown]
# Script minus formula, score at equal size. MiniLM: {glue:text}`size_minilm`. This run: {glue:text}`size_run`.
#
# Script minus formula, weights kept. MiniLM: {glue:text}`weights_minilm`. This run: {glue:text}`weights_run`.

# %% tags=["remove-input"]
numbers.rule_table(run, f"This run, {names[study]}: weights kept, scores as shares of the full model's.", "sums-run")

# %% tags=["remove-input"]
numbers.rule_table(real, "MiniLM: the same. Retrained were those of the formula and of running 64.", "sums-minilm")

# %% [markdown]
# ## What this does not show
#
# - The scores of good subnetworks say little: each search stops near the same share of the full score, and in small models a step is large.
# - "No difference shown" is not "no difference". BERT-base, with more heads and larger dev sets, was not searched under each rule.
# - The formula is the paper's definition, not a proof of what a head is worth. That the script differs from it does not make it worse.
# - The records came with the repository, most of them by an earlier version of the rules. How many stands at the end of this page.
#
# ## Try it
#
# | command | two cores, estimated | what to expect |
# |---|---|---|
# | `lottery run --preset demo --tasks rte --stages importance --results try` | one minute | every sum of three full models |
# | `lottery run --preset demo --tasks rte --stages search --set importance=running --results try` | one minute | a search that never zeroes |
# | `papermill notebooks/17_importance_bug.ipynb out.ipynb` | half a minute | this page again, from its records |
#
# **Exercise 1.** Which example has the greatest say in a running sum, and why?
#
# :::{dropdown} Answer
# The first. Its gradient is part of every later sum, so it is counted as often as there are batches; the last one's is counted once.
# :::
#
# **Exercise 2.** A script zeroes the gradient and takes batches of one. Is anything left of the bug?
#
# :::{dropdown} Answer
# No. The absolute value of a batch of one is that of its example, and the mean over batches is the formula.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. MiniLM: {glue:text}`provenance_minilm`. All versions and times stand on [](status.ipynb).
# :::
