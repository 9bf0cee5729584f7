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
# # What survives in every seed?
#
# :::{admonition} Are the heads and MLPs that every seed keeps the heart of the model?
# :class: answer
#
# Hardly. Of BERT's {glue:text}`heads` heads {glue:text}`super_heads` survive in every seed of a task, its {term}`super-survivors`. Alone they keep
# {glue:text}`alone_published` of the full model's lead in the mean, which MRPC decides; on {glue:text}`above_alone` of eight tasks they are above a constant answer.
# Retrained they keep {glue:text}`super_published`, random ones of their size {glue:text}`random_published`;
# but that difference comes from two tasks, CoLA and STS-B.
#
# Super-survivors, retrained: <span class="evidence"><span class="source published">published</span> {glue:text}`badge_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`badge_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`badge_run`</span>
#
# ```{glue} claims_05
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

from lottery_book import real_study, side_by_side, sources, super_survivors
from lottery_utils import compute, open_study, show

NEEDS = {
    "stages": ["score", "retrain"],
    "methods": ["structured"],
    "subnetworks": ["good", "super", "super_random", "super_bad"],
    "demo_tasks": ["cola", "sst2", "mrpc", "rte"],
}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
kept, sizes = real_study.kept_number, super_survivors.super_sizes(published)
with_supers = [super_survivors.with_supers(source) for source in three]
of_published, of_real, of_run = with_supers
means = of_published.leads.set_index(["task", "subnetwork", "treatment"])["lead"]
more = means.xs(("super", "retrained"), level=[1, 2]) - means.xs(("super_random", "retrained"), level=[1, 2])
alone, others = means.xs(("super", "pruned"), level=[1, 2]), more.drop(["cola", "stsb"]).abs()
show.holds("alone they keep nothing in the mean", alone.mean(), below=0.05)
show.holds("which MRPC decides", alone.drop("mrpc").mean(), above=0)
show.holds("on about half of the eight tasks they are above a constant answer", (alone > 0).sum(), 3, 6)
show.holds("but on STS-B little", alone.drop("stsb").max(), below=0.25)
show.holds("far above random on CoLA and STS-B", min(more["cola"], more["stsb"]), above=0.5)
show.holds("near random elsewhere", others.max(), below=0.2)
shown_tasks = set(of_run.leads["task"]) or set(more.index)
show.glue_numbers(
    {
        "heads": super_survivors.BERT_HEADS,
        "super_heads": f"{sizes['super_heads'].mean():.0f}",
        "alone_published": kept(of_published, "structured", "super", "pruned"),
        "above_alone": f"{(alone > 0).sum()}",
        "alone_stsb": show.as_percent(alone["stsb"]),
        "most_other": f"{100 * others.max():.0f}",
        "super_published": kept(of_published, "structured", "super"),
        "random_published": kept(of_published, "structured", "super_random"),
        "bad_published": kept(of_published, "structured", "super_bad"),
        "pruned_run": kept(of_run, "structured", "super", "pruned"),
        "badge_published": kept(of_published, "structured", "super"),
        "badge_real": kept(of_real, "structured", "super"),
        "badge_run": kept(of_run, "structured", "super"),
        "over_published": show.effects.told(super_survivors.over_random(of_published), pairs=False),
        "over_run": show.effects.told(super_survivors.over_random(of_run), pairs=False),
        "rte_super": of_run.score("rte", "structured", "super", "retrained"),
        "rte_heads": super_survivors.in_every_seed(run, "rte"),
        "rte_heads_two": super_survivors.in_every_seed(run, "rte", [1337, 42]),
        "qnli_heads": super_survivors.in_every_seed(run, "qnli"),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Lead kept by the good subnetworks of single seeds, by super-survivors, and by subnetworks of their size from the other components; merely pruned (hollow) and retrained (filled). Each panel is over its own tasks. Numbers at the right are means in per cent.", "name": "fig-super-leads"}, "image": {"alt": "Dots and means of lead kept by good subnetworks, super-survivors, super random and super bad in three columns: published, real study, this run"}}
side_by_side.headline(with_supers, ["structured"], super_survivors.ROWS)

# %% [markdown]
# ## What to see
#
# If a task needs certain heads and MLPs, they should be those that every seed keeps. Two controls of the same size test that: *super bad* is
# made of what every seed pruned, *super random* of the rest.
#
# **Hollow marks.** Published, super-survivors alone are no better or little better than a constant answer on all tasks but
# STS-B ({glue:text}`alone_stsb`). They are a small part of each good subnetwork, and what works
# there does not work without its other half. In this run, where they are a larger part, they keep {glue:text}`pruned_run`.
#
# **Filled marks.** Published, super-survivors minus super random, retrained: {glue:text}`over_published`. On CoLA and STS-B the
# random ones are lost; on the six other tasks they differ by at most {glue:text}`most_other` points,
# and super bad keeps {glue:text}`bad_published` on average.
# This run: {glue:text}`over_run`.
#
# The sources have different tasks, so their means do not compare. Whether such a difference is more than chance is judged on the
# [scorecard](scorecard.ipynb), once for the whole book.
#
# ## How it is computed
#
# Super-survivors are a logical AND over seeds. *Super bad* draws as many from what every seed pruned; where that is too little it
# takes others. Here for heads, with the generator that each mask's address seeds. They must equal the stored masks of this run.

# %%
def draw(pool, amount, rng):
    """`amount` members of `pool`, uniformly at random."""
    chosen = np.zeros(pool.size, bool)
    chosen[rng.permutation(np.flatnonzero(pool))[:amount]] = True
    return chosen.reshape(pool.shape)


def super_bad(best, always_pruned, rng):
    """As many as `best`, from what every seed pruned; filled up with others."""
    size = min(best.sum(), (~best).sum())
    bad = draw(always_pruned, size, rng)
    bad |= draw(~best & ~bad, size - bad.sum(), rng)
    draw(~best & ~bad, size, rng)  # what super random takes
    # where nothing else is left, super-survivors
    return bad | draw(best & ~bad, best.sum() - bad.sum(), rng)


seeds_of = {}
for task, seed in run.courses("structured"):
    seeds_of.setdefault(task, []).append(seed)
for task, there in seeds_of.items():
    known = study.mask(f"{task}/{there[0]}/control/structured/super")
    if not known or set(there) != set(study.preset.seeds):
        continue
    good = np.stack([run.good_mask(task, seed).heads for seed in there])
    best, always_pruned = good.all(axis=0), ~good.any(axis=0)
    for seed in there:
        assert (best == known.heads).all()
        stored, rng = run.control_mask("super_bad", task, seed)
        assert stored is None or (super_bad(best, always_pruned, rng) == stored.heads).all()
    counts = f"{best.sum()} of {best.size} heads in every seed, {always_pruned.sum()} in none"
    print(f"{task}: {counts}, as stored")

# %% [markdown]
# The authors draw `super bad` once for all seeds, so its deviation there is the noise of training alone; here each seed draws anew.
# Theirs never takes super-survivors, and ours does where nothing else is left.
#
# From the package here: [`structured_control`](../api/pruning.md) in {source}`lottery_utils/pruning/controls.py`.
#
# ## How many there are

# %% tags=["remove-input"]
super_survivors.size_table(three)

# %% [markdown]
# How many would survive in every seed by chance is the matter of [](08_agreement.ipynb).
#
# ## Task by task

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Dev scores of super-survivors and their controls, means over seeds, on the tasks that this run has. On the demo the tasks are only like those whose panel they share. (The paper's bars of super-survivors.)", "name": "fig-super"}, "image": {"alt": "Scores of majority, full model, good subnetworks, super-survivors, super random and super bad, a panel for each task, a mark for each source"}}
side_by_side.scores(three, [*side_by_side.ENDS, *super_survivors.CONDITIONS], shown_tasks)

# %% [markdown]
# ## What this does not show
#
# - Super random is a control of size, not of chance: it is drawn from components that are *not* super-survivors, so from the weaker ones.
# - With five seeds fewer components survive in every one than with three. Sizes of sources do not compare.
# - On WNLI, and wherever the full model has no lead, there is nothing to survive.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/05_super.ipynb out.ipynb -p tasks '["rte"]'` | 42 s | this chapter for one task: {glue:text}`rte_heads` heads in every seed, alone and retrained {glue:text}`rte_super` |
# | `papermill notebooks/05_super.ipynb out.ipynb -p tasks '["qnli"]'` | 55 s | a task that the demo leaves out here: {glue:text}`qnli_heads` heads in every seed |
# | `lottery run --preset demo --tasks rte --seeds 1337 42 --stages control --methods structured --subnetworks super --results try` | 16 s | more survive in two seeds than in three: {glue:text}`rte_heads_two` heads, not {glue:text}`rte_heads` |
#
# **Exercise 1.** Five seeds keep 60 of 100 heads each, blindly. How many super-survivors are there?
#
# :::{dropdown} Answer
# Each head is kept by all five with probability (3/5)^5: about eight.
# :::
#
# **Exercise 2.** Two heads do the same, and each seed keeps one of them. Is either a super-survivor? What follows for the chapter's question?
#
# :::{dropdown} Answer
# Neither, as soon as one seed keeps the other. The task needs what they do, and the AND over seeds shows nothing of it. So few super-survivors do
# not mean that few things are needed.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
