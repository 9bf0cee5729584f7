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
# # Does the lottery need a language?
#
# :::{admonition} Is the same lottery won by a BERT that was pre-trained on something other than language?
# :class: answer
#
# After pre-training on shuffled words the full models end {glue:text}`gain_shuffled` points above no pre-training. After the language the mean
# is {glue:text}`gain_language` points above, which is undecided, as is the difference between the two. Only after shuffled words was the
# lottery shown: there good subnetworks clearly beat random and bad ones. All of this is in a made-up language.
#
# Good above bad after shuffled words, points: <span class="evidence"><span class="source published">published</span> not in the paper</span>
# <span class="evidence"><span class="source real-study">real study</span> not run</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`lottery_shuffled_s`</span>
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

from lottery_book import pretraining, sources
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = {
    "preset": "demo",
    "stages": ["finetune", "search", "control", "score", "retrain"],
    "overrides": [
        {"model": "models/pretraining/language"},
        {"model": "models/pretraining/shuffled"},
        {"model": "models/pretraining/brackets"},
        {"model": "models/pretraining/zipf"},
        {"model": "models/pretraining/none"},
        {"model": "models/pretraining/language-2"},
        {"model": "models/pretraining/shuffled-2"},
        {"model": "models/pretraining/brackets-2"},
        {"model": "models/pretraining/zipf-2"},
        {"model": "models/pretraining/none-2"},
    ],
    "records": "records/pretraining",
}
parts = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)
run = sources.run_source(parts[0])
studies = {part.preset.model.rpartition("/")[2]: part for part in parts}  # by their models' folders
logs = pretraining.pretraining_logs()
scores, m_scores = (pretraining.all_scores(studies, method) for method in ("structured", "magnitude"))
corpora = list(dict.fromkeys(scores["corpus"]))
gained = pretraining.gains(scores, corpora)
over_language = pretraining.difference(scores, "shuffled", "language")
lottery = {
    "structured": pretraining.within(scores, corpora),
    "magnitude": pretraining.within(m_scores, corpora),
}
show.holds("shuffled words are the best start", gained["shuffled"].mean - gained["language"].mean, above=0)
show.holds("and above no pre-training", gained["shuffled"].low, above=0)
show.holds("after correction too", gained["shuffled"].corrected, below=0.05)
show.holds("the language's lead is not certain", gained["language"].corrected, above=0.05)
show.holds("nor is that of shuffled words over it", over_language.p, above=0.05)
for effects in lottery.values():
    of_others = [one.corrected for (corpus, _), one in effects.items() if corpus != "shuffled" and one.tasks > 2]
    show.holds("after shuffled words good is above bad", effects["shuffled", "good above bad"].corrected, below=0.05)
    show.holds("and above random", effects["shuffled", "good above random"].corrected, below=0.05)
    show.holds("after nothing else the lottery is shown", min(of_others), above=0.05)
reach = {corpus: "{} of {}".format(*pretraining.reach(studies, corpus)) for corpus in corpora}
learnt, _ = pretraining.reach(studies, "language", ["mrpc", "qqp", "qnli"])
of_mrpc = scores.query("task == 'mrpc' and subnetwork == 'full'").groupby("corpus")["score"].mean()
show.holds("three tasks are never learnt after the language", learnt, below=1)
show.glue_numbers(
    {
        "gain_shuffled": show.effects.signed(gained["shuffled"].mean),
        "gain_language": show.effects.signed(gained["language"].mean),
        "told_shuffled": show.effects.told(gained["shuffled"], pairs=False),
        "told_language": show.effects.told(gained["language"], pairs=False),
        "over_language": show.effects.told(over_language, pairs=False),
        "lottery_shuffled_s": show.effects.signed(lottery["structured"]["shuffled", "good above bad"].mean),
        "lottery_shuffled_m": show.effects.signed(lottery["magnitude"]["shuffled", "good above bad"].mean),
        "lottery_language_m": show.effects.told(lottery["magnitude"]["language", "good above bad"], pairs=False),
        "reach_language": reach["language"],
        "reach_shuffled": reach["shuffled"],
        "reach_none": reach["none"],
        "guessed_language": pretraining.guessed(logs, "language"),
        "guessed_shuffled": pretraining.guessed(logs, "shuffled"),
        "mrpc_shuffled": of_mrpc.get("shuffled"),
        "mrpc_language": of_mrpc.get("language"),
        "provenance_run": pretraining.provenance(parts),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Left: how far the fine-tuned full model of each pre-training is above the one without any. Middle and right: how far good subnetworks are above bad ones of the same size, both retrained, within each pre-training. In points, 100 times the metric; filled where p after Holm's correction is at most one in twenty.", "name": "fig-pretraining-lottery"}, "image": {"alt": "Forest plot, a row for each pre-training: full model above no pre-training, and good above bad subnetworks for both kinds of pruning"}}
run.stamp(pretraining.start_and_lottery(gained, lottery))

# %% [markdown]
# ## What to see
#
# Five models of one architecture start from the same weights and get the same budget. Number of steps, lengths of texts and masked places are
# the same, batch by batch. Only the words differ:
#
# - **language**: the demo's language;
# - **shuffled words**: the same sentences, each with its words in random order, as in {cite}`sinha2021`;
# - **brackets**: nested brackets of many types, a Dyck language, which {cite:t}`papadimitriou2020` taught to a model before language;
# - **Zipf noise**: words drawn one by one from the language's word frequencies;
# - **none**: the weights they all start from.
#
# The paper {cite}`prasanna2020` left the question open, and nothing was published to lay beside this. Two runs of pre-training stand behind
# each row, from other first weights and other texts.
#
# *The start.* Shuffled words are above no pre-training by {glue:text}`told_shuffled`. The language's
# mean is above it by {glue:text}`told_language`. This
# interval leaves out zero, but it is one of four, and Holm's correction takes that into account. Brackets and Zipf noise bought nothing that one could
# see. Shuffled words are above the language by {glue:text}`over_language`, which is undecided too.
#
# *The lottery.* It can be won or lost only where the full model has learned something. After shuffled words it beats the majority score
# {glue:text}`reach_shuffled` times (tasks by seeds, over two runs), after the language {glue:text}`reach_language`, without pre-training {glue:text}`reach_none`. So the lower rows
# rest on few tasks, which the small numbers count, and a wide interval there is no evidence against a lottery. With m-pruning, good and bad
# are far apart after the language too: {glue:text}`lottery_language_m`. After correction that is undecided, with five tasks.
#
# *Why the language fails on MRPC-like, QQP-like and QNLI-like.* On these three its full model never beats the majority score, while the
# demo's own model solves them ([](01_finetuning.ipynb)). That model had five times the steps and a second lesson: does one text follow the
# other? That is close to the labels of pair tasks. The models here only guess masked words. Without word order, a masked word of a pair is best
# guessed from the other sentence, so shuffled words may have taught early to compare two sentences. That is a guess; nothing here tests it.
#
# ## How it is computed
#
# A score of one pre-training is paired with that of another on the same task, run and seed. Runs and seeds of a task are averaged, and the tasks
# are the sample. WNLI-like is left out, since its dev labels contradict its train labels. The package's `effect` does this; here are its mean and
# interval by hand:

# %%
full = 100 * (
    scores.query("subnetwork == 'full' and task != 'wnli'")
    .set_index(["corpus", "task", "run", "seed"])["score"]
    .astype(float)
)
shuffled, none = full["shuffled"], full["none"]
ahead = show.stats.effect(shuffled - none)
of_tasks = (shuffled - none).groupby("task").mean()
error = of_tasks.std() / np.sqrt(len(of_tasks))
low, high = of_tasks.mean() + 2.364624 * error * np.array([-1, 1])  # Student's t, 8 tasks
assert np.allclose([low, high], [ahead.low, ahead.high])
assert np.isclose(of_tasks.mean(), gained["shuffled"].mean)
alone, corrected = (show.effects.p_value(p) for p in (ahead.p, gained["shuffled"].corrected))
print(f"{ahead.mean:+.1f} points over {ahead.tasks} tasks; p {alone} alone,")
print(f"{corrected} by Holm's correction for four pre-trainings")

# %% [markdown]
# From the package here: [`effect`, `corrected` and `Effect.word`](../api/show.md) in {source}`lottery_utils/show/stats.py`; the last also asks that
# both runs of pre-training have the sign of the mean.
#
# ## What the models learned before
#
# The language's models guess {glue:text}`guessed_language` of the masked words of texts held out, those of shuffled words {glue:text}`guessed_shuffled`
# of theirs. Each level compares with nothing but its own corpus: without order there is less to guess from.
#
# ## The lottery of each pre-training, in numbers
#
# Within a pre-training, the three subnetworks of a task and seed have the same size, so their scores compare. With s-pruning, good is above bad
# after shuffled words by {glue:text}`lottery_shuffled_s` points, with m-pruning by {glue:text}`lottery_shuffled_m`. Above random it is certain after shuffled
# words as well. That retraining lifts bad subnetworks above merely pruned ones is shown nowhere here.

# %% tags=["remove-input"]
pretraining.lottery_table(lottery)

# %% [markdown]
# ## What this does not show
#
# - Two runs of pre-training are few, and the intervals, over tasks, do not include the chance between runs.
# - The models are small, and the budget is a fraction of what the demo's own model got. A longer one may move the corpora apart or together.
# - The tasks are made of the language and its words. Shuffled words and noise know the vocabulary's frequencies, brackets only its names.
# - Points of a correlation and of accuracy are averaged as if they were alike.
# - For m-pruning the models were fine-tuned again, on another processor; the records' notes say how far their logits are from the first ones.
# - Nothing here is about English.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `lottery run --preset demo --set model=models/pretraining/shuffled --tasks mrpc --methods structured --results try` | 38 s | MRPC-like is learnt ({glue:text}`mrpc_shuffled` over two runs), and a lottery follows |
# | `lottery run --preset demo --set model=models/pretraining/language --tasks mrpc --methods structured --results try` | 26 s | {glue:text}`mrpc_language`, the majority score, and no search |
# | `make pretraining` | three quarters of an hour, estimated | the weights of all ten models anew |
#
# **Exercise 1.** Why is the interval of *none*, good above bad, missing?
#
# :::{dropdown} Answer
# Only two tasks have a full model above the majority score, and two tasks give no interval worth the name.
# :::
#
# **Exercise 2.** Why not compare good subnetworks after shuffled words with good ones after the language directly?
#
# :::{dropdown} Answer
# They differ in size, each being what the search of its own model left, and they exist on different tasks.
# :::
#
# :::{dropdown} Run this chapter
# The records came with the repository, and nothing is computed on this page: {glue:text}`provenance_run`. The weights are in `models/pretraining`;
# [](../run.md) makes both anew. Versions and times: [](status.ipynb).
# :::
