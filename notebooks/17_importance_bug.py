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
# Other heads go. In MiniLM the common script and the paper's formula share {glue:text}`shared_minilm` of the first heads to be removed, over six
# orders of the examples; chance would share a tenth. That what stays is better or worse could not be shown, but three tasks leave room for a
# difference.
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
compute_missing = True  # False: compute nothing and show gaps

# %% tags=["hide-cell", "remove-stderr"] mystnb={"code_prompt_show": "Run this chapter: what it computes and reads", "code_prompt_hide": "Run this chapter: what it computes and reads"}
import numpy as np

from lottery_book import importance_rules, sources
from lottery_utils import compute, open_study, show

sums = importance_rules.results
show.apply_style()
NEEDS = [
    {"stages": ["importance"], "methods": ["structured"], "records": "records/importance/demo"},
    {
        "stages": ["search"],
        "methods": ["structured"],
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
        "subnetworks": ["good"],
        "overrides": [{"importance": "exact"}, {"importance": "running"}],
        "records": "records/importance/demo",
    },
    {"preset": "laptop", "overrides": {"precision": "bf16"}, "records": "records/importance/laptop"},
]
study, *_, minilm = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)
names = {one: sources.model_name(one.preset) for one in (study, minilm)}
in_full = {one: sums.full_model(one) for one in (study, minilm)}
effects = {one: sums.effects(one) for one in (study, minilm)}
seeds_alike = {one: {rule: sums.seeds_correlation(one, rule) for rule in ("exact", sums.SCRIPT)} for one in (study, minilm)}
likeness = {one: sums.likeness(one) for one in (study, minilm)}
shared = {one: sums.mean_of(frame, "shared") for one, frame in in_full.items()}
correlations = {batch: sums.mean_of(in_full[minilm], "correlation", batch=batch) for batch in (1, 8, 32, 64)}
show.holds("they share about half of the first heads", shared[minilm], 0.4, 0.6)
show.holds("small batches mend batched", sums.mean_of(in_full[minilm], "correlation", "batched", 8), above=0.97)
show.holds("and not running", max(correlations.values()) - min(correlations.values()), below=0.02)
show.holds("no difference is shown", sum(effect.decided for effect in effects[minilm].values()), below=1)
show.holds("seeds agree less", seeds_alike[minilm]["exact"] - seeds_alike[minilm][sums.SCRIPT], above=0.1)
show.holds("as much as another seed does", likeness[minilm][0] - likeness[minilm][1], -0.1, 0.1)
show.glue_numbers(
    {
        "shared_published": "not compared",
        "shared_minilm": show.as_percent(shared[minilm]),
        "shared_run": show.as_percent(shared[study]),
        "orders_minilm": show.as_percent(sums.shared_by_orders(minilm)),
        "orders_run": show.as_percent(sums.shared_by_orders(study)),
        "seeds_minilm_formula": seeds_alike[minilm]["exact"],
        "seeds_minilm_script": seeds_alike[minilm][sums.SCRIPT],
        "seeds_run_formula": seeds_alike[study]["exact"],
        "seeds_run_script": seeds_alike[study][sums.SCRIPT],
        "likeness_minilm": likeness[minilm][0],
        "likeness_run": likeness[study][0],
        "another_seed_minilm": likeness[minilm][1],
        "another_seed_run": likeness[study][1],
        "provenance_minilm": show.sentences.run_on(minilm),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "How near each sum comes to the formula: Spearman's rank correlation over the heads of the full model, in six orders of the dev set. One dot per task, mean over seeds and orders; lines are means over tasks. With all examples in one batch the two sums are the same. MiniLM on real GLUE.", "name": "fig-sums-correlation"}, "image": {"alt": "Rank correlation with exact importances against the batch size, two lines, a panel for this run and one for MiniLM"}}
sums.batch_lines({names[one]: frame for one, frame in in_full.items()})

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
def first_removed(importances, share=0.1):
    """What the first step takes: the lowest heads, each layer divided by its length."""
    ranked = importances / np.linalg.norm(importances, axis=1, keepdims=True)
    return set(np.argsort(ranked, axis=None, kind="stable")[: int(share * ranked.size)])


searched_by = sums.rule_studies(minilm)
for (task, title, seed), stored in sums.importances(minilm).items():
    of_64 = list(stored["batches"]).index(64)
    removed = {
        "exact": first_removed(stored["exact_heads"]),
        "running 64": first_removed(stored["running_heads"][of_64, 0]),
    }
    for rule, heads in removed.items():  # the stored searches took them
        course = searched_by[rule].trajectory(f"{task}/{seed}/search/structured/good")
        assert heads == set(np.flatnonzero(~course["heads"][1].astype(bool)))
    both = removed["exact"] & removed["running 64"]
    print(f"{title}, seed {seed}: {len(both)} of {len(heads)} heads removed by both")

# %% [markdown]
# This is the data's own order; over six orders they share {glue:text}`shared_minilm` on average.
#
# From the package here: [`reduce_gradients`](../api/pruning.md) in {source}`lottery_utils/pruning/importance.py`; the rules in words are in [](../protocol.md). Two more ways in
# which the field sums, Fisher's squares and absolute values token by token, are tried in section e of [](19_since.ipynb).
#
# ## The order of the examples
#
# The formula is a mean over examples, whose order does not matter. For both sums it does, since it decides what a batch holds. For the running sum
# it also decides what is counted often.
#
# Shuffle the dev set under running sums over batches of 64, and of the first heads to go {glue:text}`orders_minilm` are the same in MiniLM, {glue:text}`orders_run` in this run. The
# rest are decided by the shuffle, not by the model.
#
# In these seeds and tasks the rule also makes seeds look less alike. By the formula, the heads of two seeds have a rank correlation of {glue:text}`seeds_minilm_formula` in MiniLM
# and of {glue:text}`seeds_run_formula` in this run; by the script it is {glue:text}`seeds_minilm_script` and {glue:text}`seeds_run_script`. Part of what [](08_agreement.ipynb) finds between the authors' seeds may be made by the sum.
#
# ## In the search
#
# The same fine-tuned models, searched under each rule. *Released* is the authors' whole procedure: running sums over batches of 64, norms of a
# layer that take in removed heads, and stale importances where the search changes phase.
#
# Another rule changes the subnetwork about as much as another seed does. The heads that stay by the script and by the formula have a Jaccard index of
# {glue:text}`likeness_minilm` in MiniLM and of {glue:text}`likeness_run` in this run. Those of two seeds, both by the formula, have {glue:text}`another_seed_minilm` and
# {glue:text}`another_seed_run`.
#
# Is what stays as good? In its first phase a search removes the same number at each step under every rule, so scores can be compared at equal
# size, over the steps that both searches took. Later a better rule shows as a smaller subnetwork, for all searches stop at the same share of the full
# score. Retrained were only the good subnetworks of the formula and of running 64. The p are corrected within each kind of difference (Holm); none
# of MiniLM's holds up.

# %% tags=["remove-input"]
sums.table_of_effects({names[one].partition(",")[0]: found for one, found in effects.items()})

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
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `lottery run --preset demo --tasks rte --stages importance --results try` | 17 s | every sum of three full models |
# | `lottery run --preset demo --tasks rte --stages search --set importance=running --results try` | 17 s | a search that never zeroes |
# | `papermill notebooks/17_importance_bug.ipynb out.ipynb` | 6 s | this page again, from its records: {glue:text}`shared_run` of the first heads shared |
#
# **Exercise 1.** Which example has the greatest say in a running sum, and why?
#
# :::{dropdown} Answer
# Those of the first batch, for gradients of equal size. They are part of every later sum, so they are counted as often as there are
# batches; those of the last batch are counted once.
# :::
#
# **Exercise 2.** A script zeroes the gradient and takes batches of one. Is anything left of the bug?
#
# :::{dropdown} Answer
# No. The absolute value of a batch of one is that of its example, and the mean over batches is the formula.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. MiniLM: {glue:text}`provenance_minilm`. Versions and times: [](status.ipynb).
# :::
