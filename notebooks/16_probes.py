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
# # What do winning tickets know about language?
#
# The authors end by asking whether good subnetworks hold more linguistic knowledge than others. **The question here, in one
# sentence:** can more be read, layer by layer, from the hidden states of good {term}`subnetworks <good subnetwork>` than from
# those of random and bad ones?
#
# **What was run.** {glue:text}`run_on_probes`. It took {glue:text}`probes_cost`. {glue:text}`probes_words` Nothing is computed on
# this page: the records came with the repository.
#
# **The answer.** Of the demo language, subnetworks retrained: {glue:text}`probes_retrained` But the *pre-trained* weights under the same
# masks, never fine-tuned: {glue:text}`probes_masked` Of English, real BERT, pruned: {glue:text}`english_pruned`
#
# **How it is measured.** The grammar of the demo language knows everything about its sentences, so it annotates them. A
# *probe* is a linear classifier that reads one layer's hidden state at a word; it is fitted in closed form, nothing is
# tuned. The sentences are in no pre-training text and no train set, and test sentences are not among those it learnt from.
#
# - *Part of speech* of a word. In this language each word has just one, so the word alone gives it away.
# - *Number*: at a verb whose form does not show it ("chased"), is its subject singular or plural? Hard where a noun of the
#   other number stands between them.
# - *Depth* of a word in the dependency tree, from 0 to 4.
# - *Role* of a noun: does it do what the verb says, or is it done to it, in active and passive?
#
# A probe may learn words by heart. So each has a *control task* {cite}`hewitt2019`: labels drawn at random for each word, as
# often as the real ones. *Selectivity* is accuracy less accuracy on the control task.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import loss_surface, probes
from lottery_utils import compute, open_study, show

show.apply_style()
method = "structured"
NEEDS = [
    {"stages": ["probes"], "methods": ["structured"], "records": "records/probes"},
    {
        "preset": "laptop",
        "overrides": {"precision": "bf16", "probe_text": "english", "probe_retrained": False},
        "records": "records/probes_english",
    },
]
study, laptop = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)

# %% tags=["hide-input"]
found = loss_surface.frames.readings(study, "probes", method)
accuracies, floors = probes.frames.accuracies(found), probes.frames.floors(found)
layers = probes.frames.over_layers(accuracies)
own = {
    (how, value): probes.text.probe_differences(layers, method, value, how)
    for how in ("retrained", "pruned", "masked")
    for value in ("linguistic", "selectivity")
}
tuning = probes.text.fine_tuning_differences(layers, method, "linguistic")
english = loss_surface.frames.readings(laptop, "probes", method)
en_accuracies, en_floors = probes.frames.accuracies(english), probes.frames.floors(english)
en_layers, en_probes = probes.frames.over_layers(en_accuracies), ("part of speech", "depth", "role")
en_own = {
    how: probes.text.probe_differences(en_layers, method, "linguistic", how, en_probes) for how in ("pruned", "masked")
}
hard = probes.text.probe_differences(layers, method, "hard", "retrained", ("number",))
show.glue_numbers(
    {
        "run_on_probes": show.sentences.run_on(study),
        "probes_cost": loss_surface.text.cost_sentence(study, ("probes",), method),
        "probes_words": probes.text.words_sentence(floors),
        "probes_gaps": probes.text.gap_sentence(found),
        "probes_context": probes.text.context_sentence(layers, floors, method),
        "probes_retrained": probes.text.settled_sentence(own["retrained", "linguistic"], "accuracy, retrained"),
        "probes_selective": probes.text.settled_sentence(own["retrained", "selectivity"], "selectivity, retrained"),
        "probes_pruned": probes.text.settled_sentence(own["pruned", "linguistic"], "accuracy, pruned"),
        "probes_pruned_selective": probes.text.settled_sentence(own["pruned", "selectivity"], "selectivity, pruned"),
        "probes_masked": probes.text.settled_sentence(own["masked", "linguistic"], "accuracy, pre-trained weights"),
        "probes_hard": probes.text.settled_sentence(hard, "accuracy on hard verbs, retrained"),
        "probes_hard_level": probes.text.hard_sentence(layers, method),
        "probes_before": probes.text.pretraining_sentence(layers, method),
        "probes_tuning": probes.text.settled_sentence(tuning, "accuracy"),
        "english_run_on": show.sentences.run_on(laptop),
        "english_cost": loss_surface.text.cost_sentence(laptop, ("probes",), method),
        "english_words": probes.text.words_sentence(en_floors),
        "english_context": probes.text.context_sentence(en_layers, en_floors, method),
        "english_before": probes.text.pretraining_sentence(en_layers, method),
        "english_pruned": probes.text.settled_sentence(en_own["pruned"], "accuracy, pruned"),
        "english_masked": probes.text.settled_sentence(en_own["masked"], "accuracy, pre-trained weights"),
    }
)

# %% [markdown]
# ## Layer by layer

# %% mystnb={"figure": {"caption": "Accuracy of linear probes on test sentences, mean over tasks and seeds. Full lines: the full model, the pre-trained one, one with random weights, and retrained subnetworks; dashed: subnetworks pruned out of the full model. Grey lines: what the most frequent label and each word's own most frequent label reach without any network.", "name": "fig-probes-accuracy"}, "image": {"alt": "Lines of accuracy by layer, a panel for each of four probes, a line for each network"}}
probes.figures.by_layer(accuracies, method, "linguistic", floors)

# %% mystnb={"figure": {"caption": "Selectivity: accuracy less accuracy on the control task, mean over tasks and seeds.", "name": "fig-probes-selectivity"}, "image": {"alt": "Lines of selectivity by layer, a panel for each of four probes, a line for each network"}}
probes.figures.by_layer(accuracies, method, "selectivity")

# %% mystnb={"figure": {"caption": "Accuracy on the control tasks alone: how well words are told apart.", "name": "fig-probes-control"}, "image": {"alt": "Lines of control accuracy by layer, a panel for each of four probes"}}
probes.figures.by_layer(accuracies, method, "control", floors)

# %%
probes.text.probe_table(layers, floors, method)

# %% [markdown]
# {glue:text}`probes_context` {glue:text}`probes_gaps`
#
# ## Do good subnetworks know more?
#
# Differences are between networks of the same task and seed, mean over the layers above the embeddings; intervals are over
# tasks and not corrected. What holds up to Holm's correction for the number of differences is a filled mark and named first.

# %% mystnb={"figure": {"caption": "Accuracy of probes on retrained subnetworks: differences between good, random and bad ones.", "name": "fig-probes-retrained"}, "image": {"alt": "Differences in accuracy with intervals, a row for each probe and pair of subnetworks"}}
show.forest.forest(
    {"": show.stats.corrected(own["retrained", "linguistic"])}, "difference in accuracy, retrained", tasks=True
)

# %% mystnb={"figure": {"caption": "The same for subnetworks pruned out of the full model, without training.", "name": "fig-probes-pruned"}, "image": {"alt": "Differences in accuracy of pruned subnetworks with intervals, a row for each probe and pair"}}
show.forest.forest(
    {"": show.stats.corrected(own["pruned", "linguistic"])}, "difference in accuracy, pruned", tasks=True
)

# %% [markdown]
# - Retrained: {glue:text}`probes_retrained`
# - Retrained, selectivity: {glue:text}`probes_selective`
# - Retrained, hard verbs: {glue:text}`probes_hard` {glue:text}`probes_hard_level`
# - Pruned: {glue:text}`probes_pruned`
# - Pruned, selectivity: {glue:text}`probes_pruned_selective`
# - The *pre-trained* weights under the same masks, never fine-tuned: {glue:text}`probes_masked` What differs here is due to
#   which parts are kept, and to nothing else.
#
# ## What fine-tuning and pruning take away

# %% mystnb={"figure": {"caption": "The full model against the pre-trained one, and retrained subnetworks against the full model.", "name": "fig-probes-tuning"}, "image": {"alt": "Differences in accuracy with intervals, a row for each probe and pair of networks"}}
show.forest.forest({"": show.stats.corrected(tuning)}, "difference in accuracy", tasks=True)

# %% [markdown]
# {glue:text}`probes_tuning`
#
# What pre-training gave, against random weights: {glue:text}`probes_before`

# %% tags=["hide-output"]
show.effects.effect_table(
    own["retrained", "linguistic"] | tuning,
    "Differences in accuracy in numbers, with intervals over tasks.",
    "probe-numbers",
    mean="mean",
    places=3,
    brief=True,
)

# %% [markdown]
# ## Real BERT and English
#
# MiniLM (see [](study.ipynb)), as fine-tuned on real GLUE tasks, reads sentences that were written and
# annotated for this page, as Universal Dependencies {cite}`nivre2020` would (`lottery_utils/probes/english.conllu`):
# {glue:text}`english_run_on`; {glue:text}`english_cost`. {glue:text}`english_words` Retrained subnetworks are left out, as they would have
# to be trained again; so are differences between subnetworks for number, which has too few words.

# %% mystnb={"figure": {"caption": "Real BERT, English sentences: accuracy of linear probes, mean over tasks and seeds. Lines as in the first figure.", "name": "fig-probes-english"}, "image": {"alt": "Lines of accuracy by layer on English sentences, a panel for each of four probes, a line for each network"}}
probes.figures.by_layer(en_accuracies, method, "linguistic", en_floors)

# %% mystnb={"figure": {"caption": "Real BERT, English sentences: differences between good, random and bad subnetworks pruned out of the full model.", "name": "fig-probes-english-pruned"}, "image": {"alt": "Differences in accuracy of pruned subnetworks of the real BERT with intervals, a row for each probe and pair"}}
show.forest.forest({"": show.stats.corrected(en_own["pruned"])}, "difference in accuracy, pruned", tasks=True)

# %%
probes.text.probe_table(en_layers, en_floors, method, "probes-english")

# %% [markdown]
# - {glue:text}`english_context`
# - Pre-trained against random weights: {glue:text}`english_before`
# - Pruned: {glue:text}`english_pruned`
# - The pre-trained weights under the same masks: {glue:text}`english_masked`
#
# Text of your own, such as a treebank of Universal Dependencies, is probed with `lottery run --stages probes --set
# probe_text=FILE.conllu`.
#
# ## What to see, and what not
#
# - What a linear probe finds is there to be read; that the network uses it is not shown. What it does not find may be there
#   in another form.
# - Random weights keep words apart too, and so a linear reader of them gets many parts of speech right: that much is
#   knowledge of the words, not of language. Number and role need the sentence, depth in part.
# - The probe for number has few words to learn from, and at most of them little is to be read in any network: a past tense
#   is the same for one dog and for two, so this language gives the network little reason to carry number there.
# - Selectivity is low or below zero where a real label needs the sentence and a control label only the word: a control task
#   of word types is then the easier one. It is meant for comparing networks, not probes.
# - Every task is probed with the same sentences and begins with the same pre-trained model. So the intervals over tasks speak
#   of other tasks, not of other words or another pre-training; for the few hard verbs the choice of words matters more.
# - Good, random and bad subnetworks keep the same number of heads and MLPs; a layer that lost all of them hands on what it
#   got. So a difference in one layer may be where the parts are, not what they do: the means over layers count.
# - The language is made up and small, its words are unambiguous, and sentences are short. The English sentences are few and plain,
#   were annotated once, and are read by the subnetworks of three tasks only.
#
# ## The records
#
# They lie in `records/probes` and `records/probes_english`. To make them anew: `lottery run --stages probes --methods structured`, with
# `--preset laptop --set precision=bf16 probe_text=english probe_retrained=false` for the second; `--methods magnitude` does the same for
# m-pruning. This chapter shows those of your own study in their place.

# %%
show.tables.provenance_table(study)

# %%
show.tables.provenance_table(laptop)
