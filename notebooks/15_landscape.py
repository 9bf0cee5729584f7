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
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What does the loss look like around winning tickets?
#
# The authors end by asking whether the loss surface can tell why so many tickets win. **The question here, in one sentence:**
# do good, random and bad {term}`subnetworks <good subnetwork>` end in places of different shape, and are these places
# connected?
#
# **What was run.** {glue:text}`run_on_landscape`. {glue:text}`landscape_examples` It took {glue:text}`landscape_cost`, retraining
# included where weights were not stored. Nothing is computed on this page: the records came with the repository.
#
# **The answer.** Shape: {glue:text}`landscape_flat_near` Connections within one seed, as barriers on straight paths between
# retrained subnetworks: good to random {glue:text}`landscape_good_random`; good to bad {glue:text}`landscape_good_bad`; the
# second less the first, paired: {glue:text}`landscape_nearer`.
#
# **How it is measured.** A direction is random noise on the encoder's weight matrices, *filter-normalised*
# {cite}`li2018`: each filter (a row of a matrix, all that feeds one unit) gets the norm of the filter it moves, so a step
# of size 1 is as large as the weights themselves, in every network. Biases, LayerNorms, embeddings and the classifier stay,
# and so does what a mask removed. All networks of a seed take their part of the same noise. Losses are divided by the loss
# of the best constant answer on the same examples: 1 is as good as knowing nothing, whatever the task.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import loss_surface
from lottery_utils import compute, open_study, show

show.apply_style()
method = "structured"
NEEDS = {"stages": ["landscape", "surface"], "methods": ["structured"], "records": "records/landscape"}
(study,) = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)

# %% tags=["hide-input"]
found, squares = (loss_surface.frames.readings(study, stage, method) for stage in ("landscape", "surface"))
lines, paths = loss_surface.frames.lines(found), loss_surface.frames.paths(found)
near, far = (loss_surface.frames.sharpness(found, size) for size in loss_surface.names.SHARP)
flatness = {
    size: loss_surface.text.sharpness_differences(table, method) for size, table in (("near", near), ("far", far))
}
walls = loss_surface.text.barrier_means(paths, method)
between = loss_surface.text.barrier_differences(paths, method)
show.glue_numbers(
    {
        "run_on_landscape": show.sentences.run_on(study),
        "landscape_examples": loss_surface.text.examples_sentence(found),
        "landscape_cost": loss_surface.text.cost_sentence(study, ("landscape", "surface"), method),
        "landscape_flat_near": loss_surface.text.flatness_sentence(flatness["near"], method),
        "landscape_flat_far": loss_surface.text.flatness_sentence(flatness["far"], method),
        "landscape_learnt": loss_surface.text.learnt_sentence(near, method, far),
        "landscape_seeds": loss_surface.text.seeds_sentence(found),
        "landscape_full": loss_surface.text.full_sentence(flatness["near"]),
        "landscape_seeds_full": loss_surface.text.barrier_sentence(walls, "full to full, next seed"),
        "landscape_seeds_good": loss_surface.text.barrier_sentence(walls, "good to good, next seed"),
        "landscape_seeds_bad": loss_surface.text.barrier_sentence(walls, "bad to bad, next seed"),
        "landscape_good_bad": loss_surface.text.barrier_sentence(walls, "good to bad"),
        "landscape_good_random": loss_surface.text.barrier_sentence(walls, "good to random"),
        "landscape_full_good": loss_surface.text.barrier_sentence(walls, "full to good"),
        "landscape_full_bad": loss_surface.text.barrier_sentence(walls, "full to bad"),
        "landscape_nearer": show.effects.difference(between, loss_surface.text.NEARER),
        "landscape_apart": show.effects.difference(between, loss_surface.text.APART),
        "landscape_bad_seeds": show.effects.difference(between, loss_surface.text.BAD_SEEDS),
    }
)

# %% [markdown]
# ## Slices
#
# Full lines are networks that were trained as they are: the full model, and subnetworks retrained. Dashed ones are
# subnetworks {term}`pruned` out of the full model and not trained again, which need not lie in a valley at all.

# %% mystnb={"figure": {"caption": "The loss along random filter-normalised directions, s-pruning, mean over directions and seeds. The dotted line is the loss of knowing nothing; lines end where they leave the panel.", "name": "fig-landscape-slices"}, "image": {"alt": "Lines of the loss against the size of a step, a panel for each task, a line for each network"}}
loss_surface.figures.slices(lines, method)

# %% [markdown]
# ## Squares
#
# The same in two directions, for one seed of some tasks. These are pictures: two directions out of hundreds of thousands,
# drawn at random.

# %% mystnb={"figure": {"caption": "The loss on a square of two random directions around the full model and retrained subnetworks, one seed. Contour lines are at a quarter, a half and the whole of the loss of knowing nothing; the number in the middle is the network's own loss, on half as many examples as in the slices, drawn anew.", "name": "fig-landscape-squares"}, "image": {"alt": "Small square maps of the loss, a row for each network and a column for each task"}}
loss_surface.figures.surfaces(squares, study.preset.seeds[0])

# %% [markdown]
# ## Sharpness
#
# *Sharpness* here is the mean rise of the loss under steps of one size, both ways along every direction. A step and its
# opposite cancel the slope, so it tells how the loss bends, also where there is no minimum.

# %% mystnb={"figure": {"caption": "Sharpness at steps of a fifth of the weights' size: a dot a task that has every network, mean over seeds; a bar the mean over tasks.", "name": "fig-landscape-sharpness"}, "image": {"alt": "Dots of the rise of the loss for each network, one for each task"}}
loss_surface.figures.sharpness_dots(near, loss_surface.names.SHARP[0])

# %%
loss_surface.text.level_table(near)

# %% mystnb={"figure": {"caption": "Differences in that sharpness between networks of the same task and seed. A ring a task; the bar is the interval over tasks, and a filled mark holds up to Holm's correction for all rows.", "name": "fig-landscape-differences"}, "image": {"alt": "Differences in sharpness with intervals, a row for each pair of networks"}}
show.forest.forest(
    {"": show.stats.corrected(flatness["near"])}, "difference in sharpness, steps of a fifth", tasks=True
)

# %% [markdown]
# Steps of a fifth: {glue:text}`landscape_flat_near`
#
# Steps of two fifths: {glue:text}`landscape_flat_far`
#
# A network that has learnt nothing has nothing to lose. {glue:text}`landscape_learnt`
#
# Against the full model, steps of a fifth: {glue:text}`landscape_full`
#
# ## Straight paths
#
# Two networks lie in one valley when the loss does not rise on the straight line between their weights: the *barrier* is the
# most it rises above the line between its ends {cite}`frankle2020`. A subnetwork is put at full size with zeros for what is
# gone. Networks of one seed share pre-trained weights, classifier and the order of the data; those of the next seed share
# the pre-trained weights only. {glue:text}`landscape_seeds` Tasks are those that have every path.

# %% mystnb={"figure": {"caption": "The loss on straight paths between networks, s-pruning, subnetworks retrained: a thin line a task, mean over seeds, and the thick one their mean.", "name": "fig-landscape-paths"}, "image": {"alt": "Lines of the loss between two networks, a panel for each pair"}}
loss_surface.figures.path_lines(paths, method)

# %% mystnb={"figure": {"caption": "Barriers, which cannot be below 0, and in the last rows differences between them, in shares of the loss of knowing nothing. A ring a task, mean over seeds; the bar is the interval over tasks, and a filled mark is a difference that holds up to Holm's correction.", "name": "fig-landscape-barriers"}, "image": {"alt": "Barriers with intervals, a row for each pair of networks"}}
show.forest.forest({"": show.stats.corrected(walls | between)}, "barrier, and differences between barriers", tasks=True)

# %% [markdown]
# - Between seeds, full models: {glue:text}`landscape_seeds_full`.
# - Between seeds, good subnetworks: {glue:text}`landscape_seeds_good`; bad ones: {glue:text}`landscape_seeds_bad`.
# - Of one seed, good to random: {glue:text}`landscape_good_random`; good to bad: {glue:text}`landscape_good_bad`.
# - Of one seed, full to good: {glue:text}`landscape_full_good`; full to bad: {glue:text}`landscape_full_bad`.
# - Good to bad less good to random, paired: {glue:text}`landscape_nearer`.
# - Good to bad of one seed less good to good of two seeds, paired: {glue:text}`landscape_apart`.
# - Bad to bad of two seeds less good to good of two seeds, paired: {glue:text}`landscape_bad_seeds`.

# %%
loss_surface.text.barrier_table(walls)

# %% tags=["hide-output"]
show.effects.effect_table(
    flatness["near"] | between,
    "Differences in sharpness and in barriers, with intervals over tasks.",
    "landscape-numbers",
    mean="mean",
    places=3,
    brief=True,
)

# %% [markdown]
# ## What to see, and what not
#
# - A flat valley is no proof of a good network. Sharpness depends on how weights are written down {cite}`dinh2017`; filter
#   normalisation takes out the scale of single units, not every such freedom. A network that knows little has little to lose,
#   so read each rise beside the loss that it starts from.
# - Good, random and bad subnetworks have the same number of heads and MLPs; the full model has more, so a step of size 1
#   moves more of it. Differences between subnetworks mean more than those with the full model.
# - On a path between different masks every part of either network passes through half its strength, and a head's part
#   through a quarter, as it is a product. A barrier there is expected from that alone, the more so the fewer parts the two
#   share, and good and bad ones share the fewest: it does not say that two networks found different solutions. Only the paths between seeds of the full model are free of it, as their masks are equal.
# - Where a network knows nothing, the loss has nowhere to rise from: low barriers between such networks mean little.
# - Straight lines only: networks with a barrier between them may be joined by a curve.
# - The loss is that of dev examples, on which the good subnetworks were also chosen, and of a small model on a made-up
#   language. The intervals are over its tasks; they say nothing of other models.
#
# ## The records
#
# They lie in `records/landscape`. To make them anew: `lottery run --stages landscape --methods structured`, then
# `lottery run --stages surface --methods structured` for the tasks and the seed shown; `--methods magnitude` does the same for
# m-pruning. This chapter shows those of your own study in their place.

# %%
show.tables.provenance_table(study)
