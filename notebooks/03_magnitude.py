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
# # Which weights survive?
#
# :::{admonition} How many single weights can go, and from where?
# :class: answer
#
# Half of BERT's weights can go while nine tenths of the score stay. They go from everywhere: the shares that single heads
# and MLPs keep have a standard deviation of only {glue:text}`components_published` points. And the maps of all tasks are nearly one map,
# with a correlation of {glue:text}`alike_published`: the task decides how many weights go, hardly from which heads and MLPs.
#
# Weights kept: <span class="evidence"><span class="source published">published</span> {glue:text}`kept_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`kept_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`kept_run`</span>
#
# ```{glue} claims_03
# :doc: scorecard.ipynb
# ```
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

from lottery_book import courses, side_by_side, sources, survivors
from lottery_utils import compute, open_study, show

NEEDS = {"stages": ["search"], "methods": ["magnitude"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
shares = survivors.weight_shares(published)
maps = published.maps("magnitude")
bottom, top = (np.mean([maps[task].heads[layer].mean() for task in maps]) for layer in (0, -1))
show.holds("half of the weights can go", survivors.sizes(published, "magnitude")["prunable"].mean(), 0.45, 0.55)
show.holds("components of a task differ by few points", shares.components, below=0.05)
show.holds("the maps of all tasks are nearly one map", shares.alike, above=0.95)
show.holds("BERT's upper layers keep more", top - bottom, above=0.05)
show.glue_numbers(
    {
        "components_published": f"{100 * shares.components:.0f}",
        "alike_published": shares.alike,
        "seeds_published": f"{100 * shares.seeds:.1f}",
        "alike_real": survivors.weight_shares(real).alike,
        "alike_run": survivors.weight_shares(run).alike,
        "kept_published": survivors.mean_size(published, "magnitude"),
        "kept_real": survivors.mean_size(real, "magnitude"),
        "kept_run": survivors.mean_size(run, "magnitude"),
        "bottom": show.as_percent(bottom),
        "top": show.as_percent(top),
        "gaps_run": show.sentences.gap_sentence(study, "magnitude"),
        "rte_run": survivors.size_on(run, "rte", "magnitude"),
        "sst2_real": survivors.size_on(real, "sst2", "magnitude"),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The share of its weights that each head and MLP keeps under {term}`m-pruning`, on the task above the panel, mean over seeds. Layer 1 is next to the embeddings. The colours span what occurs, not 0 to 1. (The paper's figure 1, m-pruning, is of QNLI.)", "name": "fig-survival-m"}, "image": {"alt": "Maps of the share of weights that each head and MLP of one task keeps: published, real study, this run"}}
side_by_side.survival_maps(three, "magnitude")

# %% [markdown]
# ## What to see
#
# No head and no MLP is empty, and none is whole. S-pruning takes four in ten heads away as a whole; m-pruning thins all of them out, so
# it does not say which components a task needs.
#
# What pattern there is comes with the pre-trained model. In BERT, heads of the top layer keep {glue:text}`top` of their weights and heads
# of the bottom layer {glue:text}`bottom`, with every task. Another model has another pattern, as the panels beside it show.
# This is to be expected: fine-tuning moves weights a little, and a weight that was small before is mostly small after it.
#
# Components of one task differ by {glue:text}`components_published` points, seeds of one component by {glue:text}`seeds_published` (standard deviations, published). The
# maps of any two tasks, compared component by component, correlate by {glue:text}`alike_published` in the release, {glue:text}`alike_real` in the real study and
# {glue:text}`alike_run` in this run. At 1.00 one map is the other, but for its mean.
#
# ## How it is computed
#
# All weights of the encoder are put in one order, by their absolute value; biases count, embeddings and the classifier do not. Each
# step takes a share of what is left, the smallest first, and scores the rest on the dev set. The search ends when the score falls below the
# {term}`target`. The weights themselves do not change on the way, so one order serves all steps.
#
# Below, the first function finds how many weights stay, from the scores that were stored at each step. The second finds which. They must
# arrive at the stored sizes of the real study and of this run, and at each mask whose weights this run has kept.

# %%
def weights_left(course, step):
    """How many weights stay: steps take a share of what is left."""
    left = int(course["kept"][0])
    for score in course["score"][1:]:
        if score < course["target"][0]:
            break
        left -= round(step * left)
    return left


def without_smallest(weights, amount):
    """Which weights stay when the `amount` smallest of all parameters go."""
    sizes = np.abs(np.concatenate([values.ravel() for values in weights]))
    kept = np.ones(len(sizes), bool)
    kept[np.argsort(sizes, kind="stable")[:amount]] = False  # of equal ones the first goes
    return kept


masks = 0
for source in (real, run):
    searches = source.courses("magnitude")
    for (task, seed), course in searches.items():
        left = weights_left(course, source.study.preset.magnitude_step)
        assert left == course["kept"][course["passed"]][-1]
        good = source.good_mask(task, seed, "magnitude")
        weights = source.weights(task, seed)
        if good and weights:
            sizes = [weights[name] for name in good.weights]
            kept = without_smallest(sizes, good.total - left)
            stored = np.concatenate([mask.numpy().ravel() for mask in good.weights.values()])
            assert (kept == stored).all()
            masks += 1
    print(f"{source.name}: {len(searches)} searches end at the stored size")
print(f"{masks} masks are the stored ones, weight by weight")

# %% [markdown]
# From the package here: [`magnitude_search`](../api/pruning.md) in {source}`lottery_utils/pruning/magnitude.py`, and [](../protocol.md) for the rules in words. The paper's text says that
# a step takes a tenth; the released masks fit half of that.
#
# ## How far the search goes
#
# {glue:text}`gaps_run`

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The magnitude searches of this run: the score that the search compares, for STS-B the mean of both correlations, against the share of weights kept; one line per seed. Dashed: the seed's target. Diamonds: good subnetworks. Crosses: masks that fell below the target.", "name": "fig-course-m"}, "image": {"alt": "Dev score against the share of weights kept, a panel for each task"}}
run.stamp(courses.magnitude_courses(courses.search_course(study, "magnitude")))

# %% tags=["remove-input"]
survivors.size_table(three, "magnitude")

# %% [markdown]
# The maps of all tasks are in [](10_appendix.ipynb).
#
# ## What this does not show
#
# - A component that keeps more weights is not a component that matters more. It has larger weights.
# - Half of the weights at zero does not halve the time: the matrices keep their shape. [](../pruning_buys.md) measures what pruning buys.
# - Whether the weights that stay are special is the matter of [](04_subnetworks.ipynb).
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/03_magnitude.ipynb out.ipynb -p tasks '["rte"]'` | 26 s | this chapter for one task: {glue:text}`rte_run` of the weights stay |
# | `lottery run --preset demo --tasks rte --stages search --methods magnitude --set threshold=0.8 --results try` | 21 s | fewer than {glue:text}`rte_run` stay |
# | `lottery run --preset base --tasks sst2 --seeds 1337 --stages search --methods magnitude --results results` | 9 minutes, as recorded | the real study's map: {glue:text}`sst2_real` stay |
#
# **Exercise 1.** With steps of a tenth, how many steps does it take until less than half of the weights are left?
#
# :::{dropdown} Answer
# After seven steps (9/10)^7, a little less than half, is left. With steps of a twentieth it takes 14.
# :::
#
# **Exercise 2.** Suppose that every matrix had to lose the same share of its weights. What would become of the maps, and of the scores?
#
# :::{dropdown} Answer
# The maps would be of one colour. On scores, [](13_methods.ipynb) has ranked weights by their place in their own matrix.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
