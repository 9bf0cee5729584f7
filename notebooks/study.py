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
# # The real study
#
# :::{admonition} How much of what fine-tuning gains do subnetworks keep?
# :class: answer
#
# **Published**: retrained, bad subnetworks of {term}`s-pruning` keep {glue:text}`badge_published` of the lead over a constant answer, good ones
# {glue:text}`printed_good_s`. Of {term}`m-pruning` they keep {glue:text}`printed_bad_m` and {glue:text}`printed_good_m`. **Real study**, MPNet-base: bad ones keep
# {glue:text}`badge_real`, random by layer {glue:text}`real_layer_s`, good ones {glue:text}`real_good_s`. Of m-pruning, bad: {glue:text}`real_bad_m`; good:
# {glue:text}`real_good_m`. Of eight tasks it still lacks {glue:text}`real_missing`.
#
# Bad, s-pruning: <span class="evidence"><span class="source published">published</span> {glue:text}`badge_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`badge_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`badge_run`</span>
#
# ```{glue} claims_study
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

# %% tags=["hide-cell", "remove-stderr"] mystnb={"code_prompt_show": "Run this chapter: what it reads", "code_prompt_hide": "Run this chapter: what it reads"}
from lottery_book import full_models, real_study, scorecard, side_by_side, sources, survivors
from lottery_utils import compute, open_study, show

NEEDS = {"stages": ["finetune", "search", "score", "retrain"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
smaller = sources.smaller_source()
agreement = survivors.heads_in_every_seed(published)
by_layer = scorecard.judge.judge(real)["s_layer"]
if real.study:  # without its records there is a gap
    show.holds("pruned, good beats random by layer", by_layer.word == "supported", above=0)
show.glue_numbers(
    {
        "heads": agreement.heads,
        "heads_always": f"{agreement.always:.0f}",
        "heads_by_chance": f"{agreement.chance:.0f}",
        "smaller_cola": full_models.score_on(smaller, "cola", places=2),
        "printed_cola": full_models.score_on(published, "cola", places=2),
        "smaller_rte_lead": f"{100 * full_models.full_and_majority(smaller)['lead']['rte']:.0f} points",
        "good_heads": survivors.mean_size(published, "structured", "heads"),
        "good_mlps": survivors.mean_size(published, "structured", "mlps"),
        "good_weights": survivors.mean_size(published, "magnitude"),
        "seed_agreement": f"{scorecard.claims.seed_agreement(published).mean():.2f}",
        "real_evidence": real.evidence("structured") or "nothing yet",
        "real_bad_m": real_study.kept_number(real, "magnitude", "bad"),
        "run_bad_m": real_study.kept_number(run, "magnitude", "bad"),
        "printed_good_s": real_study.kept_number(published, "structured", "good"),
        "printed_good_m": real_study.kept_number(published, "magnitude", "good"),
        "printed_bad_m": real_study.kept_number(published, "magnitude", "bad"),
        "real_good_s": real_study.kept_number(real, "structured", "good"),
        "real_by_layer": by_layer.chip,
        "real_layer_s": real_study.kept_number(real, "structured", "random_layer"),
        "real_good_m": real_study.kept_number(real, "magnitude", "good"),
        "real_missing": real_study.missing(real),
        "badge_published": real_study.kept_number(published, "structured", "bad"),
        "badge_real": real_study.kept_number(real, "structured", "bad"),
        "badge_run": real_study.kept_number(run, "structured", "bad"),
        "majority_mrpc": full_models.score_on(published, "mrpc", "majority", 2),
        "majority_mnli": full_models.score_on(published, "mnli", "majority", 2),
        "rte_bad": real.score("rte", "structured", "bad", "retrained", 1337),
        "real_provenance": real.provenance,
        "real_cost": show.compute.cost_of(real.study) if real.study else sources.NO_RECORD,
        "run_provenance": run.provenance,
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Lead kept by subnetworks of one size, merely pruned (hollow) and retrained (filled). Numbers are means in per cent, triangles tasks beyond the axis.", "name": "fig-headline"}, "image": {"alt": "Dots and means of lead kept by good, random, random by layer and bad subnetworks, pruned and retrained, in three columns: published, real study, this run"}}
side_by_side.headline(three)

# %% [markdown]
# ## What to see
#
# The paper's title is about the filled marks of the upper row. In the published column, *bad* subnetworks of s-pruning, retrained, keep more
# than half of the lead in the mean, and some tasks keep nearly all of it. In the lower row the bad ones fall far behind the good ones: with
# m-pruning not all tickets win.
#
# Hollow marks are the same subnetworks before retraining. There the good ones lead, which is what they were searched for.
#
# {term}`Random by layer <random by layer>` asks what the paper left open: do the heads matter, or only how many a layer keeps? If the
# number were all, it would do as well as good. Merely pruned it does not. Good less random by layer, on the real study: {glue:text}`real_by_layer`.
# [](19_since.ipynb) has the same after retraining.
#
# ## How it is computed
#
# An accuracy of {glue:text}`majority_mrpc` is worth nothing on MRPC, where a constant answer has it; on MNLI a constant answer has
# {glue:text}`majority_mnli`. So each task's score becomes the {term}`lead kept` before tasks are averaged: 0 is what a constant answer
# gets, 1 what the full model gets. Here it is by hand, for the published bad subnetworks of s-pruning, retrained:

# %%
by_condition = ["method", "subnetwork", "treatment", "task"]
scores = published.results.set_index(by_condition).sort_index()["score"]
full, constant = scores["", "full", "full"], scores["", "majority", "baseline"]
bad = scores["structured", "bad", "retrained"]

lead = full - constant
kept = ((bad - constant) / lead)[lead > 0]  # on WNLI there is no lead to keep

effect = published.effects()["structured", "bad", "retrained"]  # the package's
assert abs(kept.mean() - effect.mean) < 1e-12
kept.round(2).to_frame("lead kept")

# %% [markdown]
# From the package here: [`show.stats.lead_kept`](../api/show.md) in {source}`lottery_utils/show/stats.py` and [`show.leads.leads`](../api/show.md) in
# {source}`lottery_utils/show/leads.py`. Seeds of a task are
# averaged first, then tasks; the interval is Student's t over tasks. Rows of one method are always over the same tasks and seeds,
# those where every row is there.
#
# ## What ran
#
# The records here, {glue:text}`real_cost`: {glue:text}`real_provenance`. Their times are by the clock, and some cells were stopped for a
# while to make room for other work, so the total is an upper bound. What is missing is shown as a {term}`gap`; the commands at the end
# of the page, under "Run this chapter", fill it.

# %% tags=["remove-input"]
real_study.ran_table(real, published)

# %% [markdown]
# The published scores are those of the authors' release {cite}`prasanna2020code`: BERT-base, whole training sets, five seeds. The majority scores there are
# theirs as well.
#
# ## Means and intervals

# %% tags=["remove-input"]
real_study.mean_table(three)

# %% [markdown]
# ## What survives
#
# What the good subnetworks keep is drawn task by task beside the published maps: {numref}`fig-appendix-s` for s-pruning,
# {numref}`fig-appendix-m` for m-pruning.
#
# ## Every task of the real study

# %% tags=["remove-input"]
real_study.task_table(real, "real-study-tasks")

# %% [markdown]
# ## Every task, as published

# %% tags=["remove-input"]
real_study.task_table(published, "published-tasks")

# %% [markdown]
# ## A smaller model
#
# Before this study there was one of all-MiniLM-L6-v2 {cite}`wang2020minilm,reimers2019`: six layers, distilled, three tasks, two seeds. Its full model
# reaches {glue:text}`smaller_cola` on CoLA where BERT-base has {glue:text}`printed_cola`, and on RTE it is {glue:text}`smaller_rte_lead` above a constant answer. So it
# can show that the path holds on English, and three tasks decide nothing.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "MiniLM on CoLA, MRPC and RTE: lead kept, as in {numref}`fig-headline`. RTE's lead is three points, so its dots swing.", "name": "fig-smaller"}, "image": {"alt": "Dots and means of lead kept by MiniLM's subnetworks, s-pruning and m-pruning"}}
side_by_side.headline((smaller,))

# %% [markdown]
# ## What this does not show
#
# - MPNet-base has BERT-base's grid of layers and heads, but other weights, and its attention adds a bias for positions. Where a
#   number differs from the published one, the model may be why. Four of its tasks are trained and scored on part of their data.
# - WNLI is left out: fine-tuned models stay below a constant answer there, so there is no lead to keep.
# - The good subnetworks were selected on the dev sets on which all are scored ({doc}`18_selection` measures what that gives).
# - Eight tasks see large differences only, and they are no random sample of all tasks. MRPC and RTE have short leads, so their shares swing.
# - This run stands in the right column. On the demo it shows that the path works on a made-up language and says nothing about GLUE.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `lottery verify --results records/base` | 1 s | every checksum of the records, and *nothing is damaged* |
# | `lottery show rte/1337/retrain/structured/bad --preset base --results records/base` | 1 s | {glue:text}`rte_bad`, with commit, versions and device |
# | `papermill notebooks/study.ipynb out.ipynb -p tasks '["rte"]'` | 68 s | this page, with one task of the demo in the right column |
#
# **Exercise 1.** The bad subnetworks of a task score below a constant answer. What is the lead that they keep?
#
# :::{dropdown} Answer
# Less than nothing: lead kept is negative there. That is why some means of merely pruned subnetworks lie left of zero.
# :::
#
# **Exercise 2.** Eight tasks, and an interval that goes from zero to the full lead. What would make it narrower: more seeds or more tasks?
#
# :::{dropdown} Answer
# More tasks: the interval is over tasks. Seeds of one task can differ as much, on tasks with a short lead above all, but they are averaged
# before the interval is taken, so it does not show them.
# :::
#
# ::::{dropdown} Run this chapter
# The page reads stored records only. These commands fill the two columns that are not the paper's; each goes on where it stopped:
#
# ```
# lottery run --preset base --results results     # the real study
# lottery pack results records/base               # its records, as this page reads them
# lottery run --preset demo --results results     # this run
# ```
#
# This run: {glue:text}`run_provenance`. Versions and times: [](status.ipynb).
# ::::
