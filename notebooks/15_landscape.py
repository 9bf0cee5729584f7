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
# # What does the loss look like around winning tickets?
#
# :::{admonition} Do good, random and bad subnetworks end in places of different shape, and are these places connected?
# :class: answer
#
# About shape, nothing is settled: no difference in sharpness between good, random and bad subnetworks of the demo holds up. Between good and bad ones
# lies a barrier, a higher one than between good and random. But different masks can make a barrier by themselves, so it does not say that two
# networks found different solutions.
#
# Barrier from good to bad, in hundredths of the loss of knowing nothing: <span class="evidence"><span class="source published">published</span> not in the paper</span>
# <span class="evidence"><span class="source real-study">real study</span> not run</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`good_bad`</span>
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

from lottery_book import loss_surface, sources
from lottery_utils import compute, open_study, show

stage, results = loss_surface.stage, loss_surface.results
show.apply_style()
NEEDS = {"stages": ["landscape"], "methods": ["structured"], "records": "records/landscape"}
(study,) = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)
run = sources.run_source(study)
compared = show.frames.readings(study, "landscape", "structured")
paths = results.paths(compared)
near, far = (results.sharpness(compared, size) for size in (0.2, 0.4))
learnt = far[far["loss"] < results.LEARNT]
walls = results.barrier_means(paths)
differences = {
    "barrier": results.barrier_differences(paths),
    "sharpness, a fifth": results.sharpness_differences(near),
    "sharpness, two fifths": results.sharpness_differences(far),
}
between, nearby, further = differences.values()
between_learnt = results.sharpness_differences(learnt)
if study.stored:  # sentences by hand are about the records that came with the book
    of_shape = [each for panel in (nearby, further, between_learnt) for each in panel.values()]
    show.holds("nothing is settled about sharpness", min(each.corrected for each in of_shape if each.tasks > 2), above=0.05)
    show.holds("a barrier from good to bad on every task", walls["good to bad"].by_task.min(), above=0)
    nearer = between[results.NEARER]
    show.holds("higher than to random", nearer.mean, above=0)
    show.holds("and settled", nearer.corrected, below=0.05)
    lowest = min(walls, key=lambda label: walls[label].mean)
    show.holds("full to good is the lowest of all", lowest == "full to good", above=0.5)
    of_seeds = walls["full to full, next seed"].by_task
    show.holds("full models of two seeds: below a fifth on all tasks but one", (of_seeds > 20).sum(), 0.5, 1.5)
    show.holds("that one is STS-B", of_seeds.idxmax().startswith("STS-B"), above=0.5)
show.glue_numbers(
    {
        "good_bad": results.mean_barrier(walls, "good to bad"),
        "good_random": results.mean_barrier(walls, "good to random"),
        "full_bad": results.mean_barrier(walls, "full to bad"),
        "full_good": results.mean_barrier(walls, "full to good"),
        "nearer": show.effects.difference(between, results.NEARER, 0),
        "seeds_low": results.low_barriers(walls, "full to full, next seed"),
        "near_good_bad": show.effects.difference(nearby, "good − bad, retrained", 0),
        "far_good_bad": show.effects.difference(further, "good − bad, retrained", 0),
        "learnt_bad": results.share_learnt(far, "bad.retrained"),
        "learnt_good_bad": show.effects.difference(between_learnt, "good − bad, retrained", 0),
        "examples": study.preset.landscape_examples,
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The loss on straight paths between networks, subnetworks retrained: above of one seed, below of two. A thin line is a task, the thick one their mean; the dotted line is the loss of knowing nothing.", "name": "fig-landscape-paths"}, "image": {"alt": "Lines of the loss between two networks, a panel for each pair: high in the middle from good to bad, nearly flat from full to good"}}
run.stamp(results.path_lines(paths))

# %% [markdown]
# ## What to see
#
# Each panel walks on a straight line from the weights of one network to those of another. Two networks lie in one valley when the loss does not
# rise on the way. The *barrier* is the most it rises above the line between its ends {cite}`frankle2020`. A subnetwork is put at full size, with
# zeros for what is gone. Losses are in points, hundredths of the loss of the best constant answer: 100 is as good as knowing nothing.
#
# From good to bad the barrier is {glue:text}`good_bad`, from good to random {glue:text}`good_random`. The first less the second, on the same tasks
# and seeds, is {glue:text}`nearer`. From the full model to its good subnetwork the barrier is {glue:text}`full_good`, the lowest of all; to its bad
# one it is {glue:text}`full_bad`.
#
# It is tempting to read this as "bad subnetworks found something else". But where a part is in one of two networks only, the path leads through half
# of it. From full to good only what matters least fades in this way; from full to bad, what matters most. The code below shows what fading does.
#
# Only the full models of two seeds have equal masks. Their barrier is below 10 on {glue:text}`seeds_low` tasks, and below 20 on all but
# STS-B-like. There the straight line between two seeds crosses a barrier; a curve might not.
#
# ## How it is computed
#
# Two ways to look around. A *direction* is random noise, filter-normalised {cite}`li2018`: each filter, a row of a weight matrix, gets the norm of
# the filter that it moves. So a step of size 1 is as large as the weights, in every network. A *path* is straight. At the end, two made-up
# networks of two heads that compute the very same thing, each with the head that the other lacks:

# %%
weights, noise = np.random.default_rng(0).normal(size=(2, 4, 6))  # four filters each
weights[2] = 0  # what a mask removed does not move
rescaled = [d * np.linalg.norm(w) / np.linalg.norm(d) for d, w in zip(noise, weights)]
direction = np.stack(rescaled)
assert np.allclose(direction, stage.normalised(noise, weights))


def barrier(losses):
    """The highest rise above the line between the ends."""
    return (losses - np.linspace(losses[0], losses[-1], len(losses))).max()


stored = results.barriers(paths)["barrier"]
for (_, path), expected in zip(paths.groupby(["task", "seed", "pair"], sort=False), stored):
    assert abs(barrier(path["loss"].to_numpy()) - expected) < 1e-9


def loss(w):
    """A head is a product of two weights; the two heads should add up to 1."""
    return (w[0] * w[1] + w[2] * w[3] - 1) ** 2


one, other = np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1])
points = stage.POINTS
on_the_way = np.array([loss((1 - t) * one + t * other) for t in points])
assert loss(one) == loss(other) == 0
print(f"two perfect networks without a common head: barrier {barrier(on_the_way):.2f}")

# %% [markdown]
# Halfway, each head is the product of two halves, a quarter of itself. Together they reach half of what they should. Nothing else is wrong.
#
# From the package here: [`batch_loss`](../api/training.md) in {source}`lottery_utils/training/evaluate.py`, and the paths in {source}`lottery_book/loss_surface/stage.py`.
#
# ## Differences
#
# *Sharpness* here is the mean rise of the loss under steps of one size, both ways along every direction. Averaging a step and its opposite cancels the slope.
# Steps are of a fifth and of two fifths of the weights' norms.

# %% tags=["remove-input"]
results.difference_table(differences)

# %% [markdown]
# Retrained, good less bad is {glue:text}`near_good_bad` at steps of a fifth. At two fifths it is {glue:text}`far_good_bad`. After correction for all
# rows neither is settled.
#
# If good ones are sharper at all, there is a dull reason: a network that has learnt nothing has nothing to lose. Of the bad ones,
# {glue:text}`learnt_bad` have a loss below 90 points. Between those and the good ones, the difference at two fifths is
# {glue:text}`learnt_good_bad`.
#
# ## What this does not show
#
# - A flat valley is no proof of a good network. Sharpness depends on how weights are written down {cite}`dinh2017`. Filter normalisation takes out
#   the scale of single units, not every such freedom.
# - Good, random and bad subnetworks have equally many heads and MLPs. The full model has more, so a step of size 1 moves more of it.
# - Networks with a barrier between them may be joined by a curve. Only straight lines were walked.
# - Where a network knows nothing, the loss has nowhere to rise from. Low barriers between such networks mean little.
# - Losses are of at most {glue:text}`examples` dev examples a task, on which good subnetworks were also chosen. Between seeds there is one path a task and
#   kind of network. The intervals are over tasks of a made-up language; they say nothing of other models.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/15_landscape.ipynb out.ipynb` | 10 s | this chapter from its records: barrier from good to bad {glue:text}`good_bad` |
# | `lottery run --tasks rte --seeds 1337 --stages landscape --methods structured --results try` | 43 s | slices and paths of one task anew |
# | `lottery run --tasks rte --seeds 1337 --stages surface --methods structured --results try` | 17 s | the loss on a square of two directions, in the record: numbers for a contour plot of your own, which no page draws |
#
# **Exercise 1.** In the made-up case, let both networks keep one head in common that gives half of the sum. What becomes of the barrier?
#
# :::{dropdown} Answer
# Half of the sum is then right all the way. What is missing halfway is a quarter instead of a half, and its square a quarter of the barrier before.
# :::
#
# **Exercise 2.** Which two subnetworks could be compared without this?
#
# :::{dropdown} Answer
# Two with one mask: the good subnetwork of one seed, retrained with another order of the data.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
