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
# # What makes a component go?
#
# :::{admonition} Is there a gap between the heads that go and those that stay?
# :class: answer
#
# No. Importance falls off without a step, and many heads lie just beside the cut. What a head is worth also changes while others go: the order
# that a search ends with is not the one it began with. That fits the paper's finding that another seed keeps other heads.
#
# Heads of good subnetworks that the full model's importances would have named: <span class="evidence"><span class="source published">published</span> {glue:text}`badge_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`badge_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`badge_run`</span>
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

from lottery_book import agreement, importance, side_by_side, sources, survivors
from lottery_utils import compute, open_study, show

by_source = agreement.by_source
show.apply_style()
NEEDS = {
    "stages": ["search"],
    "methods": ["structured"],
    "overrides": [{}, {"search": "joint"}, {"search": "heads"}, {"search": "mlps"}],
}
study = open_study(preset, tasks, seeds, overrides, results_dir)
studies = dict(zip(("own", "joint", "heads", "mlps"), compute(study, NEEDS, compute_missing), strict=True))
published, real, run = three = sources.three_sources(study)
decided = {source: importance.decisions(source.study) for source in (real, run)}
modes, shared_alone = importance.modes(three, studies)
look = {source: importance.one_look_phrase(rows) for source, rows in decided.items()}
show.glue_numbers(
    {
        "badge_published": "importances not released",
        "badge_real": look[real],
        "badge_run": look[run],
        "near_real": importance.near_cut_phrase(decided[real]),
        "near_run": importance.near_cut_phrase(decided[run]),
        "rank_run": importance.seeds_correlation(decided[run]).mean(),
        "order_real": importance.order_left(decided[real]).mean(),
        "order_run": importance.order_left(decided[run]).mean(),
        "alone_published": by_source.mean_shared(shared_alone[published]),
        "together_published": by_source.mean_shared(by_source.shared_by_tasks(published)),
        "alone_run": by_source.mean_shared(shared_alone[run]),
        "together_run": by_source.mean_shared(by_source.shared_by_tasks(run)),
        "rte_heads": survivors.size_on(sources.run_source(studies["heads"]), "rte", "structured", "heads"),
        "rte_joint": survivors.size_on(run, "rte", "structured", "heads"),
        "rte_mlps": survivors.size_on(run, "rte", "structured", "mlps"),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Importance of the heads in the full model of one task, normalised within each layer, all its seeds together; the colours say what became of a head. Dashed: where the first step of each seed's search cuts. (The paper's histogram of head importance, whose numbers were not released.)", "name": "fig-importance-cut"}, "image": {"alt": "Histograms of head importance coloured by what became of the heads, with the first cut near the left end: real study, this run"}}
importance.cuts_by_source(three, decided)

# %% [markdown]
# ## What to see
#
# If pruning found the useless heads, there would be a heap at the left, a gap, and the useful ones. There is no gap. Count
# the heads that go in the first step, and those that stay with less than twice the importance of the last one to go. Real study:
# {glue:text}`near_real`. This run: {glue:text}`near_run`. A little noise in the importances would choose others.
#
# A head left of the line in one seed and well right of it in another is one that the fine-tuning, not the task, made dispensable. Between the
# seeds of this run the importances have a rank correlation of {glue:text}`rank_run`.
#
# (importance-computed)=
# ## How it is computed
#
# A {term}`gate` is a factor of 1 on the output of a head, and the gradient of the loss with respect to it says how strongly the loss would
# react if it moved. Here is one gate, on a head of the demo's model, with one example:

# %%
model, example, whole = importance.one_example()
layer, head = 2, 1
# takes the outputs of all heads, side by side
projection = model.bert.encoder.layer[layer].attention.output.dense
gate = projection.weight.new_ones(()).requires_grad_()


def behind_gate(module, inputs):
    outputs = inputs[0].clone()  # (1, tokens, heads x size of a head)
    size = outputs.shape[-1] // whole.heads.shape[1]
    outputs[..., head * size : (head + 1) * size] *= gate
    return outputs


handle = projection.register_forward_pre_hook(behind_gate)
batch = importance.collate(example, np.arange(1), gate.device)
model(**batch.inputs, labels=batch.labels).loss.backward()
handle.remove()

packages = importance.importance(model, example, whole).heads[layer, head]
assert np.isclose(abs(gate.grad.item()), packages, rtol=1e-3)
print(f"gradient of the gate {gate.grad.item():+.5f}; the package's importance {packages:.5f}")

# %% [markdown]
# The {term}`importance` of a head is the expected size of this gradient. "Expected size" can be read in three ways, and all
# three are in use (a fourth name, *released*, is the running sum with the other rules of the authors' script). The paper prints the mean over examples of the absolute value (*exact*). One may also take the mean over batches of the
# absolute mean (*batched*). The authors' script adds gradients of the batches up without clearing them (*running*). The package's own lines:

# %% tags=["remove-input"]
show.source(importance.reduce_gradients, "lottery_utils.pruning.importance:normalise_heads")

# %% [markdown]
# Where two examples pull a gate in opposite directions, the readings part. Three examples, one gate:

# %%
gradients = np.array([[1.0], [-1.0], [0.5]])
exact = importance.reduce_gradients(gradients, "exact")
one_batch = importance.reduce_gradients(gradients, "batched", batch=3)
running = importance.reduce_gradients(gradients, "running", batch=1)
assert np.isclose(exact, np.abs(gradients).mean())
assert np.isclose(one_batch, abs(gradients.mean()))
assert np.isclose(running, np.abs(np.cumsum(gradients)).sum())
told = {"exact": exact, "batched, in one batch": one_batch, "running": running}
print(", ".join(f"{rule} {score.item():.2f}" for rule, score in told.items()))

# %% [markdown]
# From the package here: [`pruning.importance`](../api/pruning.md) in {source}`lottery_utils/pruning/importance.py`. Whether the choice matters is asked in
# [](17_importance_bug.ipynb).
#
# ## How it changes over the search
#
# After each step the search measures again; the [explorer](12_explorer.ipynb) shows it step by step. If one look at the full model were enough, the
# order of the heads would not change. At the last step of a search, over the heads that the step starts from, their importance has a rank
# correlation with that in the full model of {glue:text}`order_real` in the real study and of {glue:text}`order_run` in this run. What a head is worth
# depends on which others are still there.
#
# ## Heads alone, MLPs alone, both together
#
# The same fine-tuned models can be searched three times: heads only, MLPs only, and both, as in the rest of this book.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The share of tasks in which a head or MLP survives, mean over seeds: heads and MLPs pruned alone (above) and together (below). (The paper's appendix, pruning modes.)", "name": "fig-modes"}, "image": {"alt": "Maps of the share of tasks in which each head and MLP survives, pruned alone and together: published, real study, this run"}}
side_by_side.maps_across_tasks(modes)

# %% [markdown]
# Do tasks share more of their heads when heads are pruned alone? The heads that two tasks share, published: {glue:text}`alone_published` (heads
# alone); {glue:text}`together_published` (heads and MLPs together). This run: {glue:text}`alone_run`; {glue:text}`together_run`. The two
# sources disagree, so the question is open.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Heads and MLPs that two tasks share when each kind is pruned alone, beyond what chance would give: blue more, red fewer. (The paper's appendix, overlaps by pruning mode.)", "name": "fig-overlap-alone"}, "image": {"alt": "Matrices of heads and MLPs that two tasks share when each kind is pruned alone: published, real study, this run"}}
by_source.shared(shared_alone)

# %% [markdown]
# ## What this does not show
#
# - Importance is a gradient at gate 1. It foretells what happens when a gate moves a little, not when a head goes altogether.
# - Heads are compared after normalising within layers, MLPs are not normalised. Heads and MLPs cannot be compared with each other.
# - The real study searches heads and MLPs together only.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/07_importance.ipynb out.ipynb -p tasks '["rte"]'` | 56 s | this chapter for one task: {glue:text}`rte_joint` of the heads stay |
# | `lottery run --preset demo --tasks rte --set importance=batched --results try` | 66 s | another way to sum: often other heads, about {glue:text}`rte_joint` of them |
# | `lottery run --preset demo --tasks rte --set search=heads --results try` | 28 s | every MLP stays, not {glue:text}`rte_mlps`, and {glue:text}`rte_heads` of the heads |
#
# **Exercise 1.** A gate's gradient is +1 on half of the examples and −1 on the other half. What do the three readings say?
#
# :::{dropdown} Answer
# Exact: 1. One batch of all examples: 0, as if the head did nothing. The running sum depends on the order of the examples.
# :::
#
# **Exercise 2.** Why does the norm of a layer run over all of its heads, the removed ones too?
#
# :::{dropdown} Answer
# Over the living ones alone, the last head of a layer would always have importance 1. It could never go, whatever it does.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
