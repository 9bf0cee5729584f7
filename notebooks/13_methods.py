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
# # Does another ranking find better subnetworks?
#
# :::{admonition} At equal size, does another score beat the gate's importance, or another order the size of single weights?
# :class: answer
#
# None was shown to. Taylor's importance is not told apart from the gate's. Two others keep less, but eight tasks do not settle that (one
# of them, `output`, also breaks earlier); in the lead kept, only a random order is clearly worse. For single weights, the same share of every matrix is a little worse than one cut over the whole encoder. SNIP is not told apart
# from that cut.
#
# Lead kept, gate and Taylor: <span class="evidence"><span class="source published">published</span> not in the paper</span>
# <span class="evidence"><span class="source real-study">real study</span> not run</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`kept_gate` and {glue:text}`kept_taylor`</span>
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

from lottery_book import method_comparison, sources
from lottery_utils import compute, open_study, show, stored_study

results = method_comparison.results
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
            {"importance": "exact", "score": "gate", "head_norms": False},
            {"importance": "exact", "score": "taylor", "head_norms": False},
            {"importance": "exact", "score": "output", "head_norms": False},
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
run = sources.run_source(study)
frame = results.curves(study)
values = results.by_seed(frame, study.preset.threshold)
found = results.standings(values)
# what is written here by hand is about the repository's records, whatever is run
stored = values if study.stored else results.by_seed(results.curves(stored_study("demo", "records/methods/demo")))
effects, kept = results.standings(stored), results.means(stored)
decided = {key for key, effect in effects.items() if effect.decided}
told_apart = {("structured", "random"), ("magnitude", "layer"), ("magnitude", "random")}
worse = {key[:2] for key in decided if key[2] == "lead" and effects[key].mean < 0}
s, m = "structured", "magnitude"
show.holds("three orders keep less than the paper's", len(worse ^ told_apart), below=1)
show.holds("no order keeps more", sum(key[2] == "lead" for key in decided) - len(worse), below=1)
show.holds("Taylor is as good on average", effects[s, "taylor", "lead"].mean, above=0)
show.holds("output breaks earlier", (s, "output", "target") in decided, above=0)
show.holds("so does SNIP", (m, "snip", "target") in decided, above=0)
better = {name for name in ("taylor", "output", "entropy") if (s, name, "lead above random") in decided}
show.holds("only Taylor is certainly above random", len(better ^ {"taylor"}), below=1)
show.holds("layers keep less on every task", effects[m, "layer", "lead"].wins, below=1)
without_norms = results.by_seed(results.curves(show.compute.under(study, {"head_norms": False})))
norms = results.norm_effects(values, without_norms)
if study.stored:
    show.holds("norms help no way to rank", max(one.mean for one in norms.values()), below=0)
    show.holds("nor is their harm certain", sum(one.decided for one in norms.values()), below=1)
show.glue_numbers(
    {
        "norm_gate": show.effects.difference(norms, "gate", 1),
        "norm_taylor": show.effects.difference(norms, "taylor", 1),
        "norm_output": show.effects.difference(norms, "output", 1),
        "kept_gate": show.as_percent(kept["lead"][s, "gate"]),
        "kept_taylor": show.as_percent(kept["lead"][s, "taylor"]),
        "kept_output": show.as_percent(kept["lead"][s, "output"]),
        "kept_entropy": show.as_percent(kept["lead"][s, "entropy"]),
        "kept_random": show.as_percent(kept["lead"][s, "random"]),
        "output_told": show.effects.told(effects[s, "output", "lead"], pairs=False),
        "kept_global": show.as_percent(kept["lead"][m, "global"]),
        "layer_told": show.effects.told(effects[m, "layer", "lead"], pairs=False),
        "snip_told": show.effects.told(effects[m, "snip", "lead"], pairs=False),
        "kept_weights_random": show.as_percent(kept["lead"][m, "random"]),
        "breaks_gate": show.as_percent(kept["target"][s, "gate"]),
        "breaks_output": show.as_percent(kept["target"][s, "output"]),
        "cost_run": show.compute.cost_of(study),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The lead that pruned models keep, without training, against the share of prunable weights left: mean over tasks; bands run from the lowest to the highest mean of a seed. 100 is the full model, 0 a constant answer, dotted is half of the lead.", "name": "fig-methods-mean"}, "image": {"alt": "Two panels, s-pruning and m-pruning: falling lines of the lead kept against the share of weights left, one for each way to rank"}}
run.stamp(results.mean_curves(frame))

# %% [markdown]
# ## What to see
#
# The *lead* is what the full model scores above the majority score; a subnetwork's {term}`lead kept` is its share of that. Nothing is trained
# after pruning here. All lines of a panel have the same sizes, so at one size all subnetworks have equally many weights. The paper
# {cite}`prasanna2020` took one score of each kind and compared it with no other.
#
# *S-pruning.* Over all sizes, `gate` keeps {glue:text}`kept_gate` of the lead, `taylor` {glue:text}`kept_taylor`, `output`
# {glue:text}`kept_output`, `entropy` {glue:text}`kept_entropy` and a random order {glue:text}`kept_random`. The distance of `output` from `gate` is
# {glue:text}`output_told`. Where it falls under nine tenths of the full score is clearer: on average at a size of {glue:text}`breaks_output`, with
# `gate` at {glue:text}`breaks_gate`. Of `taylor`, `output` and `entropy`, only `taylor` is certainly better than chance.
#
# *M-pruning.* One cut over the whole encoder keeps {glue:text}`kept_global`, and a random order {glue:text}`kept_weights_random`. The same share of every
# matrix is {glue:text}`layer_told` from it. That is little, but it goes one way on every task. SNIP is {glue:text}`snip_told` from it, and
# falls under nine tenths of the full score earlier.
#
# `gate` and `taylor` look at the labels of the dev set that the subnetworks are scored on, as the paper's does. That may favour them.
#
# ## The ways

# %% tags=["remove-input"]
results.methods_table()

# %% [markdown]
# *S-pruning.* Every score is asked anew under each mask, as in the search. `gate` is the paper's {term}`importance`, from {cite:t}`michel2019`.
# `taylor` is the first-order criterion of {cite:t}`molchanov2019` by weight group: the sum of $(w \, \partial L / \partial w)^2$ over a
# component's weights. `output` is the mean norm of what a component adds to a token. In these three, heads are divided by their layer's L2
# norm, as {cite:t}`molchanov2017` proposed. `entropy` keeps heads whose attention is focused, $1 - H / \log T$ over the $T$ tokens of an
# example. An MLP attends to nothing, so MLPs go by `output`.
#
# *M-pruning.* Weights are ranked once, in the fine-tuned model. `snip` ranks by $|w \, \partial L / \partial w|$ {cite}`lee2019`. It was proposed
# for networks before training; here it sees the fine-tuned weights and a few hundred *training* examples.
#
# ## How it is computed
#
# A way to rank is a function. It gets a view of the fine-tuned model and gives back a score for each head and MLP; the lowest go first. Here is one
# of your own, which ranks by squared weights. Its order must be that of the package's own sums:

# %%
def size(view):
    """How large the weights are by which each head (L, H) and each MLP (L,) writes."""
    body, layers = view.body, range(view.body.layers)
    of_heads = [body.attention_out(layer).weight.detach().numpy() ** 2 for layer in layers]
    of_mlps = [body.mlp_out(layer).weight.detach().numpy() ** 2 for layer in layers]
    heads = [columns.sum(axis=0).reshape(body.heads, -1).sum(axis=1) for columns in of_heads]
    return np.array(heads), np.array([weights.sum() for weights in of_mlps])


view = results.view_of_demo()
for by_hand, by_package in zip(size(view), results.written_weights(view)):
    assert np.allclose(by_hand, by_package)
    assert (by_hand.argsort(axis=None) == by_package.argsort(axis=None)).all()
heads = size(view)[0]
layer, head = np.unravel_index(heads.argmin(), heads.shape)
print(f"first to go: head {head + 1} of layer {layer + 1}")

# %% [markdown]
# In a file, the function can be asked for by name. For single weights, a function gives back a tensor for each prunable parameter:
#
# ```python
# # my_scores.py
# import torch
#
#
# def signed(view):
#     """Negative weights go first, then small ones."""
#     return {name: torch.exp(w.detach()) for name, w in view.parameters.items()}
# ```
#
# What comes out are ordinary masks: they are retrained, exported and shown as any other. The file's content is part of the {term}`address`, so a
# changed function never meets old results.
#
# From the package here: [`View`](../api/pruning.md) in {source}`lottery_utils/pruning/scores.py`, [`WeightView`](../api/pruning.md) in
# {source}`lottery_utils/pruning/magnitude.py`, [`component_sums`](../api/models.md) in {source}`lottery_utils/models/anatomy.py`.
#
# ## Which differences are certain
#
# Breaking *later* means at a smaller size than the paper's way, so above 0 is better. The p are corrected over all differences of a kind of pruning
# (Holm).

# %% tags=["remove-input"]
results.standings_table(found)

# %% [markdown]
# ## With and without the layer's norm
#
# `gate`, `taylor` and `output` divide the scores of a layer's heads by their L2 norm, so that layers with large gradients do not keep all of
# theirs. The norm is over all heads of the layer, removed ones too. Is it of use? The same curves were drawn again with plain scores. The
# difference that the norm makes to `gate`, in points of lead, is {glue:text}`norm_gate`. To `taylor` it is {glue:text}`norm_taylor`, and
# to `output` {glue:text}`norm_output`. None of the three gains by it on average, and after
# correction for three comparisons no loss is decided.
#
# A size of one half is half of the heads and half of the MLPs. The smallest size leaves two of the demo's 48 heads and no MLP. In the demo's
# records, WNLI-like has no curve: its full model does not beat the majority score, so nothing was pruned.

# %% [markdown]
# ## What this does not show
#
# - No subnetwork of this page was trained again. What a score keeps without training says nothing about what its subnetworks reach when they are
#   retrained, and that is the paper's claim.
# - The averages over sizes are over shares of components in s-pruning and of weights in m-pruning, so they do not compare between
#   the two. The figure puts both on weights.
# - The models are small: one size may differ from the next by an MLP, a large part of the weights.
# - Methods that prune and train by turns were not run.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `lottery run --preset demo --tasks rte --stages curve --set score=taylor --results try` | 34 s | curves of RTE-like by Taylor's criterion; over eight tasks it keeps {glue:text}`kept_taylor` |
# | `lottery run --preset demo --tasks rte --stages curve --set score=my_scores.py:size --results try` | 12 s | the curve of your function, from a file that imports NumPy |
# | `lottery run --preset demo --tasks rte --set score=taylor unstructured=snip --results try` | 57 s | search, controls and retraining with other rankings |
#
# **Exercise 1.** At equal shares of weights, a random order keeps much more of the lead in s-pruning than in m-pruning. Why might that be?
#
# :::{dropdown} Answer
# A likely reason, not tested here: blind removal of components leaves the others whole; blind removal of weights damages every component at
# once.
# :::
#
# **Exercise 2.** Why does `layer`, which also goes by size, keep less than `global`?
#
# :::{dropdown} Answer
# One cut over the whole encoder can take more from matrices of small weights. The same share of each must also take larger ones.
# :::
#
# :::{dropdown} Run this chapter
# The records, {glue:text}`cost_run`, came with the repository. This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
