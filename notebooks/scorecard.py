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
# # Do the paper's claims hold?
#
# Each claim of the paper {cite}`prasanna2020` is turned into one number a task, and that number is set against the region that
# would support it. The same rule judges three sources: what the authors published (their scores, and their raw masks where a claim
# is about masks), the demo's run, and the laptop's run of a real BERT on real GLUE data.
#
# **How it is judged.** Conditions are paired by task and seed, the seeds of a task are averaged, and the tasks are the sample:
# mean, {glue:text}`interval_level` interval and one-sided t-tests against the edges of the region. Whether tasks share heads is a matter of pairs of
# tasks, which have tasks in common; a permutation test judges it. Either direction may come out, so a claim's smaller p is doubled, and all
# claims that a source can test are corrected together by Holm's method: the chance of any false verdict at all, for a claim or for its opposite,
# is at most {glue:text}`false_chance`. *Supported* and *the opposite holds* ask for a corrected p of at most {glue:text}`p_level`; everything else is *undecided*,
# which is not the same as wrong. With fewer than three tasks nothing is tested.
#
# **What this chapter was run on.** {glue:text}`run_on_scorecard`. The laptop's: {glue:text}`run_on_scorecard_laptop`.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import scorecard
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = [
    {"stages": ["finetune", "score", "retrain"]},
    {"preset": "laptop", "overrides": {"precision": "bf16"}, "records": "records/laptop"},
]
study = open_study(preset, tasks, seeds, overrides, results_dir)
study, laptop = compute(study, NEEDS, compute_missing)

# %% tags=["hide-input"]
AUTHORS = "the authors' numbers"
columns = {
    AUTHORS: scorecard.judge.judge(scorecard.evidence.published_scores(), scorecard.evidence.published_masks()),
    preset: scorecard.judge.judge(scorecard.evidence.evidence_of(study, preset)),
    "laptop": scorecard.judge.judge(scorecard.evidence.evidence_of(laptop, "laptop")),
}
show.glue_numbers(
    {
        "run_on_scorecard": show.sentences.run_on(study),
        "run_on_scorecard_laptop": show.sentences.run_on(laptop),
        "interval_level": show.as_percent(show.stats.LEVEL),
        "p_level": round(1 - show.stats.LEVEL, 4),
        "false_chance": show.as_percent(1 - show.stats.LEVEL),
        "keeps_level": show.as_percent(scorecard.claims.KEEPS),
        "count_authors": scorecard.figures.count_sentence(columns[AUTHORS]),
        "count_here": scorecard.figures.count_sentence(columns[preset]),
        "count_laptop": scorecard.figures.count_sentence(columns["laptop"]),
        "opposite_here": scorecard.figures.named_sentence(columns[preset], "opposite"),
        "undecided_authors": scorecard.figures.named_sentence(columns[AUTHORS], "undecided"),
    }
)

# %% [markdown]
# ## The scorecard

# %% mystnb={"figure": {"caption": "The paper's claims, one a row: mean over tasks and 95 % interval of the statistic that judges it, beside the region (shaded) that supports the claim. Diamonds are the authors' numbers, circles were measured here; filled marks are supported after correction. \u2020 holds by construction: the search stops where it still does.", "name": "fig-scorecard"}, "image": {"alt": "Forest plot of eighteen claims, a column each for the authors' numbers, the demo and the laptop run"}}
scorecard.figures.scorecard(columns, published=(AUTHORS,))

# %% [markdown]
# ## What to see
#
# - The authors' numbers: {glue:text}`count_authors`. Undecided there: {glue:text}`undecided_authors`.
# - This run: {glue:text}`count_here`. The opposite holds for: {glue:text}`opposite_here`.
# - The laptop's run: {glue:text}`count_laptop`.
#
# "Nearly the full score" has no number in the paper; it is read as the {glue:text}`keeps_level` that the paper asks of good subnetworks, and a softer claim, that
# retraining lifts the bad ones at all, is judged beside it. That random subnetworks of s-pruning do as well as good ones when retrained
# follows the paper's bars, which repeat the good ones; the authors' own table does not carry it ({doc}`11_authors`).
#
# ## In numbers
#
# Shares are of the full model's score; a difference is one of such shares.

# %%
scorecard.figures.scorecard_table(columns)

# %%
scorecard.figures.remark_table()

# %% [markdown]
# ## What this does not show
#
# A t-test over eight tasks sees large effects only, and GLUE's tasks are no random sample of tasks. Scores were selected on the dev
# sets they are reported on, in the paper and here, which favours good subnetworks. The demo's language and its micro-BERT are small: a claim
# that fails there may hold for BERT, and the other way round. Claims about simple baselines and random weights need the cells of
# {doc}`06_baselines`, that about attention those of {doc}`09_attention`.
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
