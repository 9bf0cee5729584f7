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
# Is the same lottery won by a BERT that was pre-trained on something that is not language? The paper {cite}`prasanna2020` left
# this open.
#
# Five models of one architecture start from the same weights and get the same budget: the same number of steps, and batch by
# batch the same number of texts, the same lengths and the same masked places. Only the words differ:
#
# - **language**: the demo's language;
# - **shuffled words**: the same sentences, each with its words in random order, as in {cite}`sinha2021`;
# - **brackets**: nested brackets of many types (a Dyck language), each type two words of the vocabulary, as Papadimitriou and
#   Jurafsky {cite}`papadimitriou2020` taught them to a model before language;
# - **Zipf noise**: words drawn one by one from the language's word frequencies, which fall about as one over the rank;
# - **none**: the weights they all start from.
#
# There are two runs of each: the second has other first weights and other texts, and is compared with second runs only.
#
# All learn to guess masked words and nothing else. The demo's own model also learns whether one text follows another; here
# nobody does, as noise has nothing that follows, and as that objective is close to the labels of the demo's tasks, which would
# favour the language. Each model then goes the whole path on the nine tasks, of s-pruning and of m-pruning: fine-tuned, searched,
# pruned, retrained.
#
# **In short.** Fine-tuned, {glue:text}`pretraining_reach`. Of the lottery itself, after correction, {glue:text}`pretraining_answer`
#
# **What was run.** {glue:text}`pretraining_run`. The records came with the repository; nothing is computed on this page.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import pretraining
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
study = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)[0]
studies = pretraining.figures.pretraining_studies("demo", study.store.root)
logs = pretraining.figures.pretraining_logs()

# %% tags=["hide-input"]
scores, searched = pretraining.frames.all_scores(studies), pretraining.frames.coverage(studies)
m_scores, m_searched = (
    pretraining.frames.all_scores(studies, "magnitude"),
    pretraining.frames.coverage(studies, "magnitude"),
)
corpora = list(dict.fromkeys(scores["corpus"]))
gained, led = pretraining.frames.gains(scores, corpora), pretraining.frames.language_leads(scores, corpora)
lottery, larger = pretraining.frames.within(scores, corpora), pretraining.frames.gap_differences(scores, corpora)
m_lottery, m_larger = (
    pretraining.frames.within(m_scores, corpora),
    pretraining.frames.gap_differences(m_scores, corpora),
)
show.glue_numbers(
    {
        "pretraining_run": pretraining.text.run_sentence(studies, logs),
        "pretraining_learned": pretraining.text.learned_sentence(logs),
        "pretraining_reach": pretraining.text.reach_sentence(searched),
        "pretraining_gaps": pretraining.text.gap_sentence(searched),
        "pretraining_narrow": pretraining.text.narrow_sentence(scores),
        "pretraining_gains": pretraining.text.effects_sentence(gained),
        "pretraining_leads_full": pretraining.text.effects_sentence(led, "full"),
        "pretraining_leads_bad": pretraining.text.effects_sentence(led, "bad"),
        "pretraining_answer": pretraining.text.answer_sentence(lottery, corpora),
        "pretraining_good_bad": pretraining.text.effects_sentence(lottery, "good above bad"),
        "pretraining_good_random": pretraining.text.effects_sentence(lottery, "good above random"),
        "pretraining_m_answer": pretraining.text.answer_sentence(m_lottery, corpora),
        "pretraining_m_good_bad": pretraining.text.effects_sentence(m_lottery, "good above bad"),
        "pretraining_m_good_random": pretraining.text.effects_sentence(m_lottery, "good above random"),
        "pretraining_m_larger": pretraining.text.effects_sentence(m_larger, "good above bad"),
        "pretraining_larger": pretraining.text.effects_sentence(larger, "good above bad"),
    }
)

# %% [markdown]
# ## What the models learned before

# %% mystnb={"figure": {"caption": "Pre-training: loss and accuracy on the masked words of each corpus, against steps. The levels compare with nothing but the corpus itself: shuffled words and noise cannot be guessed as language can.", "name": "fig-pretraining-curves"}, "image": {"alt": "Two panels of lines, loss and accuracy on masked words against pre-training steps, a line a corpus"}}
pretraining.figures.learning_curves(logs)

# %%
pretraining.tables.budget_table(logs)

# %% [markdown]
# {glue:text}`pretraining_learned`
#
# ## What they reach on the tasks

# %% mystnb={"figure": {"caption": "Dev scores by pre-training: the full model, and good, random and bad subnetworks of s-pruning, retrained. Large marks are means over runs and seeds, small ones each of them, the dashed line is the majority score. Where the full model stands alone, it did not beat that line and nothing could be searched; where it beat it at times, the subnetworks' means are over these times only.", "name": "fig-pretraining-scores"}, "image": {"alt": "Scores of full model and retrained good, random and bad subnetworks for five pre-trainings, a panel for each task"}}
pretraining.figures.score_panels(scores)

# %% [markdown]
# {glue:text}`pretraining_gaps`
#
# ## What pre-training buys the full model

# %% mystnb={"figure": {"caption": "How far the fine-tuned full model of each pre-training is above the one without any, in points (100 times the metric). Points are means over tasks, thick lines 95 % intervals over tasks, thin ones the bootstrap's over tasks and seeds, the small number is the number of tasks; filled where p after Holm's correction is at most 0.05.", "name": "fig-pretraining-gains"}, "image": {"alt": "Forest plot, a row for each pre-training, of the full model's lead over no pre-training"}}
pretraining.figures.gain_forest(gained)

# %% [markdown]
# Against no pre-training: {glue:text}`pretraining_gains`.
#
# Here and below, a difference is "above" or "below" where its p after Holm's correction is at most a twentieth and each run of
# pre-training alone has the same sign; else it is undecided, even where its own interval, which is not corrected, leaves out 0.
# The first run has two fine-tuning seeds, the second one, so the first counts more. "By run" are means over the tasks that the run
# has, which may be fewer.

# %%
pretraining.tables.effect_table(
    gained, "The full model of each pre-training above the one without.", "pretraining-gains"
)

# %% [markdown]
# ## The lottery of each pre-training
#
# Within a pre-training the three subnetworks of a task and seed have the same size, so their scores compare. A lottery can be won
# or lost only where the full model has learned something: each row rests on the tasks, runs and seeds where it beats the majority
# score. {glue:text}`pretraining_narrow` Where the lead is that small, there was hardly anything to win.

# %% mystnb={"figure": {"caption": "The lottery of each pre-training, in points: retrained good above retrained random, good above bad, and bad retrained above bad merely pruned. Marks as in {numref}`fig-pretraining-gains`.", "name": "fig-pretraining-lottery"}, "image": {"alt": "Forest plot of three differences between subnetworks, a row for each pre-training"}}
pretraining.figures.within_forest(lottery)

# %% [markdown]
# - Good above bad: {glue:text}`pretraining_good_bad`.
# - Good above random: {glue:text}`pretraining_good_random`.
#
# After Holm's correction for all of them, {glue:text}`pretraining_answer`

# %%
pretraining.tables.effect_table(
    lottery, "The differences between subnetworks within each pre-training.", "pretraining-lottery"
)

# %% [markdown]
# Is the gap between good and bad larger with the language than with the others, on the tasks and seeds where both have one?
# {glue:text}`pretraining_larger`.

# %%
pretraining.tables.effect_table(
    larger, "How much larger each gap is with the language than with the pre-training named.", "pretraining-larger"
)

# %% [markdown]
# ## The lottery of single weights
#
# The same with m-pruning: the weights that stay are chosen by size over the whole encoder, random and bad ones are as many.

# %% mystnb={"figure": {"caption": "The lottery of each pre-training with m-pruning, in points. Marks as in {numref}`fig-pretraining-gains`.", "name": "fig-pretraining-lottery-m"}, "image": {"alt": "Forest plot of three differences between subnetworks of m-pruning, a row for each pre-training"}}
pretraining.figures.within_forest(m_lottery)

# %% [markdown]
# - Good above bad: {glue:text}`pretraining_m_good_bad`.
# - Good above random: {glue:text}`pretraining_m_good_random`.
#
# After Holm's correction for all of them, {glue:text}`pretraining_m_answer` How much larger the gap between good and bad is with the
# language than with the others: {glue:text}`pretraining_m_larger`.

# %%
pretraining.tables.effect_table(
    m_lottery, "The differences between subnetworks of m-pruning within each pre-training.", "pretraining-lottery-m"
)

# %%
pretraining.tables.coverage_table(m_searched, "m-pruning: ", "pretraining-coverage-m")

# %% [markdown]
# ## How trainable subnetworks are, against the language's

# %% mystnb={"figure": {"caption": "How far the language's models are ahead of those of the other pre-trainings, in points: the full model, and the subnetworks retrained. Marks as in {numref}`fig-pretraining-gains`.", "name": "fig-pretraining-leads"}, "image": {"alt": "Forest plot of the language's lead, a panel each for full model and good, random and bad subnetworks"}}
pretraining.figures.lead_forest(led)

# %% [markdown]
# - The full model, language ahead of: {glue:text}`pretraining_leads_full`.
# - Bad subnetworks, retrained: {glue:text}`pretraining_leads_bad`.
#
# Here the subnetworks differ in size too: each is what the search of its own model left.
#
# Why would shuffled words do as well as the language, or better, on pairs of sentences? Without order, a masked word of a pair can be
# guessed from the other sentence alone, so this model may have learned early to compare the words of two sentences, which is what
# most pair tasks of the demo reward. That is a guess; nothing here tests it.

# %%
pretraining.tables.coverage_table(searched)

# %%
pretraining.tables.effect_table(led, "How far the language's models are ahead of the others'.", "pretraining-leads")

# %% [markdown]
# ## All numbers

# %%
pretraining.tables.score_table(scores)

# %% [markdown]
# ## What this does not show
#
# There are two runs of pre-training of each kind: their chance is in every number, and the intervals, over tasks, do not hold it.
# The models are small, the budget is a fraction of what the demo's own model got, and a longer one may move the corpora apart or
# together. The tasks are made of the language and of its words, so that shuffled words and noise know the vocabulary's
# frequencies, and brackets only its names. Comparisons between pre-trainings leave out the tasks where one of the two could not
# be searched, which are those where it did worst. Points of a correlation and of accuracy are averaged as if they were alike.
# For m-pruning the models were fine-tuned again, on another processor, as fine-tuned weights are not kept with the records; the notes of its
# records say how far their logits are from the recorded ones. Nothing here is about English.
#
# ## The records
#
# The records are in `records/pretraining`, the weights in `models/pretraining`; both are made again, and the seeds that are not there yet
# added, by the commands in [](../run.md).

# %%
pretraining.tables.provenance_table(studies)
