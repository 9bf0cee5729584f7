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
# :::{admonition} Does it matter which part of BERT is kept?
# :class: answer
#
# Without retraining, good subnetworks of s-pruning keep more than random ones of the same size on all eight tasks,
# {glue:text}`published_s_good_pruned` of the lead in the mean against {glue:text}`published_s_random_pruned`; bad ones keep {glue:text}`published_s_bad_pruned`.
# Retrained, even bad ones keep {glue:text}`published_s_bad`. Which single weights are kept still matters then:
# {glue:text}`published_m_good` against {glue:text}`published_m_bad`. MRPC alone leaves the first difference open below.
#
# Bad, s-pruning, retrained: <span class="evidence"><span class="source published">published</span> {glue:text}`badge_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`badge_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`badge_run`</span>
#
# ```{glue} claims_04
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

from lottery_book import real_study, side_by_side, sources
from lottery_utils import compute, open_study, show

NEEDS = {"stages": ["finetune", "score", "retrain"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
kept = real_study.kept_number
means = {condition: effect.mean for condition, effect in published.effects().items()}
s, m = "structured", "magnitude"
sides, kinds = ["method", "subnetwork", "treatment"], ("good", "random", "bad")
show.holds("pruned, good beats random", means[s, "good", "pruned"] - means[s, "random", "pruned"], above=0.2)
by_task = {name: published.leads.set_index(sides).loc[(s, name, "pruned")].set_index("task")["lead"] for name in kinds}
show.holds("on all tasks good keeps more than random", (by_task["good"] - by_task["random"]).min(), above=0)
show.holds("two tasks with bad ones fall below a constant answer", (by_task["bad"] < 0).sum(), 1, 3)
show.holds("most of the lead is lost with random ones", means[s, "random", "pruned"], below=0.5)
if real.study:  # without its records there is a gap
    lost = {name: real.effects()[s, name, "pruned"].mean for name in kinds}
    show.holds("in the real study random ones are not above bad ones", lost["random"] - lost["bad"], below=0)
show.holds("pruned, random beats bad", means[s, "random", "pruned"] - means[s, "bad", "pruned"], above=0.1)
show.holds("bad s-subnetworks come back", means[s, "bad", "retrained"] - means[s, "bad", "pruned"], above=0.4)
show.holds("bad m-subnetworks do not", means[m, "bad", "retrained"], below=means[m, "good", "retrained"] / 2)
bad_m = published.leads.set_index(sides).loc[(m, "bad", "retrained")].set_index("task")["lead"]
show.holds("on a few tasks bad m-subnetworks recover", bad_m[["sst2", "mnli"]].min(), above=0.5)
show.glue_numbers(
    {
        "published_s_good_pruned": kept(published, s, "good", "pruned"),
        "published_s_random_pruned": kept(published, s, "random", "pruned"),
        "published_s_bad_pruned": kept(published, s, "bad", "pruned"),
        "bad_without_mrpc": show.as_percent(by_task["bad"].drop("mrpc").mean()),
        "random_without_mrpc": show.as_percent(by_task["random"].drop("mrpc").mean()),
        "real_s_random_pruned": kept(real, s, "random", "pruned"),
        "real_s_bad_pruned": kept(real, s, "bad", "pruned"),
        "m_bad_sst2": show.as_percent(bad_m["sst2"]),
        "m_bad_mnli": show.as_percent(bad_m["mnli"]),
        "published_s_good": kept(published, s, "good"),
        "published_s_random": kept(published, s, "random"),
        "published_s_bad": kept(published, s, "bad"),
        "published_m_good": kept(published, m, "good"),
        "published_m_bad": kept(published, m, "bad"),
        "badge_published": kept(published, s, "bad"),
        "badge_real": kept(real, s, "bad"),
        "badge_run": kept(run, s, "bad"),
        "real_layer": kept(real, s, "random_layer"),
        "real_good": kept(real, s, "good"),
        "real_missing": real_study.missing(real),
        "gaps_run": show.sentences.gap_sentences(study),
        "rte_bad": run.score("rte", s, "bad", "retrained"),
        "rte_random": run.score("rte", s, "random", "retrained"),
        "rte_good": run.score("rte", s, "good", "retrained"),
        "sst2_bad": real.score("sst2", s, "bad", "retrained"),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Lead kept by subnetworks of one size, merely pruned (hollow) and retrained (filled). Numbers are means in per cent, triangles tasks beyond the axis. (The paper's figure 3, in one unit.)", "name": "fig-lead-kept"}, "image": {"alt": "Dots and means of lead kept by good, random, random by layer and bad subnetworks in three columns: published, real study, this run"}}
side_by_side.headline(three)

# %% [markdown]
# ## What to see
#
# **Hollow marks, before retraining.** Good is far ahead, which is what it was searched for. Random ones of the same size lose most of the
# lead. Bad ones lose nearly all of it in the mean, and that is MRPC's doing: without MRPC bad ones keep {glue:text}`bad_without_mrpc` and random
# ones {glue:text}`random_without_mrpc`. Only MRPC and RTE fall below a constant answer. In the real study, random ones
# ({glue:text}`real_s_random_pruned`) are not above bad ones ({glue:text}`real_s_bad_pruned`).
#
# **Filled marks, upper row.** This is the paper's title. Give the pre-trained weights of *any* s-subnetwork a new fine-tuning, and most of the
# lead comes back: {glue:text}`published_s_good` with good ones, {glue:text}`published_s_random` with random ones. The published random scores stand on firmer
# ground than the paper's bars, which repeat the good ones ([](11_authors.ipynb)).
#
# **Filled marks, lower row.** M-pruning is another matter. Its bad subnetworks consist of the smallest weights, and from those BERT recovers on few tasks only
# (SST-2 {glue:text}`m_bad_sst2`, MNLI {glue:text}`m_bad_mnli`).
#
# **Random by layer** is ours, not the paper's: as many heads in each layer as good keeps, drawn at random. In the real study it
# keeps {glue:text}`real_layer` when retrained, good {glue:text}`real_good`. Of eight tasks that study still lacks {glue:text}`real_missing`;
# [its page](study.ipynb) has the commands that fill the gaps.
#
# Whether each of these statements is more than chance is decided in one place, the [scorecard](scorecard.ipynb).
#
# ## How it is computed
#
# A control has exactly the size of the good subnetwork. Here are the three, for the heads of the real study's good masks. Each is drawn with a random
# generator that the name of its record seeds, so it must equal the mask that was scored and retrained.

# %%
def draw(pool, amount, rng):
    """`amount` members of `pool`, uniformly at random."""
    chosen = np.zeros(pool.size, bool)
    chosen[rng.permutation(np.flatnonzero(pool))[:amount]] = True
    return chosen.reshape(pool.shape)


def random_heads(good, rng):
    return draw(np.ones_like(good), good.sum(), rng)


def random_heads_by_layer(good, rng):
    return np.stack([draw(np.ones_like(layer), layer.sum(), rng) for layer in good])


def bad_heads(good, rng):
    bad = draw(~good, good.sum(), rng)  # of what was pruned, as many as good keeps
    return bad | draw(good & ~bad, good.sum() - bad.sum(), rng)  # where too little was pruned


for task, seed in real.courses("structured"):
    good = real.good_mask(task, seed).heads
    draws = {"random": random_heads, "random_layer": random_heads_by_layer, "bad": bad_heads}
    there = []
    for kind, drawn in draws.items():
        stored, rng = real.control_mask(kind, task, seed)
        if stored is not None:
            assert (drawn(good, rng) == stored.heads).all() and stored.heads.sum() == good.sum()
            there.append(kind)
    print(f"{task}, seed {seed}: {len(there)} masks of {good.sum()} heads, as stored")

# %% [markdown]
# Retraining takes the *pre-trained* weights, not the fine-tuned ones, puts the mask on them, draws a new classifier, and fine-tunes with the
# settings of the full model. What the mask removes stays at zero throughout. The start, in the package's own lines: components are cut
# out, single weights are set to zero.

# %% tags=["remove-input"]
show.source("lottery_utils.experiment.stage:prune", "lottery_utils.experiment.stage:untrained")

# %% [markdown]
# From the package here: [`structured_control`, `magnitude_control`](../api/pruning.md) in {source}`lottery_utils/pruning/controls.py`, and
# [`show.leads`](../api/show.md) in {source}`lottery_utils/show/leads.py`.
#
# ## Every score
#
# The same in the tasks' own metrics. Sources share an axis, not a data set: on the demo the tasks are only like those whose panel they share.
# {glue:text}`gaps_run`

# %% tags=["remove-input"] mystnb={"figure": {"caption": "S-pruning: dev scores, means over seeds, of a constant answer, the full model and subnetworks, pruned and retrained. (The paper's figure 3, s-pruning.)", "name": "fig-bars-s"}, "image": {"alt": "Scores of majority, full model and subnetworks of s-pruning, a panel for each task, a mark for each source"}}
side_by_side.scores(three, side_by_side.conditions_of("structured"))

# %% tags=["remove-input"] mystnb={"figure": {"caption": "M-pruning: the same for single weights. (The paper's figure 3, m-pruning.)", "name": "fig-bars-m"}, "image": {"alt": "Scores of majority, full model and subnetworks of m-pruning, a panel for each task, a mark for each source"}}
side_by_side.scores(three, side_by_side.conditions_of("magnitude"))

# %% tags=["remove-input"]
real_study.mean_table(three)

# %% [markdown]
# ## What this does not show
#
# - Good subnetworks were selected on the dev sets that score them here. [](18_selection.ipynb) measures what that is worth.
# - Retraining starts from pre-trained weights. That bad ones recover may say more about pre-training than about subnetworks;
#   [](06_baselines.ipynb) sets them beside random weights and simple models.
# - The full models of MRPC and RTE have the shortest leads over a constant answer. Their shares swing most.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/04_subnetworks.ipynb out.ipynb -p tasks '["rte"]'` | 71 s | this chapter for one task: bad, s-pruning, retrained {glue:text}`rte_bad` |
# | `lottery run --preset demo --tasks rte --subnetworks random_layer --results try` | 43 s | a control that the demo leaves out; random ones have {glue:text}`rte_random`, good ones {glue:text}`rte_good` |
# | `lottery run --preset base --tasks sst2 --seeds 1337 --stages retrain --results results` | 40 to 80 minutes, estimated | the real study on SST-2: bad, s-pruning, retrained {glue:text}`sst2_bad` |
#
# **Exercise 1.** A bad subnetwork keeps more than half of the heads. Why must it then share heads with the good one?
#
# :::{dropdown} Answer
# It is as large as the good one, and what the good one pruned is less than half. The rest is filled up with good heads, at random.
# :::
#
# **Exercise 2.** Somebody reports that bad subnetworks keep three quarters of the *score* on MRPC. What does that say?
#
# :::{dropdown} Answer
# Nothing: a constant answer has more than two thirds of the examples right there. Lead kept subtracts it.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
