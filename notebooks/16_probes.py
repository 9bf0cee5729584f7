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
# # What do winning tickets know about language?
#
# :::{admonition} Can more language be read from good subnetworks than from random and bad ones?
# :class: answer
#
# In the demo's language, in part. How deep a word stands in its sentence, and whether a noun acts or is acted on, can be read better from good
# than from bad subnetworks, by about five points; part of speech and number show no difference. The differences are there before
# fine-tuning, so they come with the mask, which may mean no more than its layers. On English nothing could be shown.
#
# Depth, good less bad: <span class="evidence"><span class="source published">published</span> not in the paper</span>
# <span class="evidence"><span class="source real-study">real study</span> MiniLM {glue:text}`depth_english`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`depth_run`</span>
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

from lottery_book import probes, sources
from lottery_utils import compute, open_study, show

results, sentences, PROBES = probes.results, probes.sentences, probes.tokens.PROBES
show.apply_style()
NEEDS = [
    {"stages": ["probes"], "methods": ["structured"], "records": "records/probes"},
    {
        "preset": "laptop",
        "overrides": {"precision": "bf16", "probe_text": "english", "probe_retrained": False},
        "records": "records/probes_english",
    },
]
study, laptop = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)
run = sources.run_source(study)
compared, compared_english = (show.frames.readings(each, "probes", "structured") for each in (study, laptop))
layers, english_layers = (
    results.over_layers(results.accuracies(each)) for each in (compared, compared_english)
)
of_run = {
    "pruned": results.differences(layers, "pruned"),
    "retrained": results.differences(layers, "retrained"),
    "pre-trained weights": results.differences(layers, "masked"),
}
asked_english = ("part of speech", "depth", "role")  # number has too few words
of_english = {
    "pruned": results.differences(english_layers, "pruned", probes=asked_english),
    "pre-trained weights": results.differences(english_layers, "masked", probes=asked_english),
}
selective = results.differences(layers, "retrained", "selectivity")
hard = results.differences(layers, "retrained", "hard", ("number",))
tuning = results.against_full(layers)
groups = {"this run, retrained": of_run["retrained"], "this run, selectivity": selective}
groups |= {f"MiniLM, English, {how}": effects for how, effects in of_english.items()}
random_weights = layers.query("network == 'random_init' and probe == 'part of speech'")["linguistic"].mean()
if study.stored:  # sentences by hand are about the records that came with the book
    for probe in ("depth", "role"):
        retrained, masked = (of_run[how][f"{probe}: good − bad"] for how in ("retrained", "pre-trained weights"))
        show.holds(f"{probe}: good above bad by about five points", retrained.mean, 4.5, 5.5)
        show.holds(f"{probe}: settled", max(retrained.corrected, masked.corrected), below=0.05)
        show.holds(f"{probe}: the same before fine-tuning", masked.mean - retrained.mean, -0.5, 0.5)
        show.holds(f"{probe}: selectivity too", selective[f"{probe}: good − bad"].corrected, below=0.05)
    show.holds("depth: good above random is settled", of_run["retrained"]["depth: good − random"].corrected, below=0.05)
    show.holds("role: it is not", of_run["retrained"]["role: good − random"].corrected, above=0.05)
    others = [each for label, each in of_run["retrained"].items() if label.startswith(("number", "part of speech"))]
    show.holds("number and part of speech: nothing", min(each.corrected for each in others), above=0.05)
    show.holds("hard verbs: all below a half", layers.groupby("network")["hard"].mean().max(), below=50)
    show.holds("hard verbs: bad above good", hard["number: good − bad"].high, below=0)
    costs, settled = {label: each.mean for label, each in tuning.items()}, show.stats.settled(tuning)
    show.holds("fine-tuning costs under a point", min(costs[f"{probe}: full − pre-trained"] for probe in PROBES), -1, 0)
    for probe in ("depth", "role"):
        ratio = costs[f"{probe}: bad retrained − full"] / costs[f"{probe}: full − pre-trained"]
        show.holds(f"{probe}: bad lose more than ten times as much", ratio, above=10)
    show.holds("good below full: nothing settled", sum("good" in label for label in settled), below=1)
    of_words, of_control = compared[0].arrays["word"].T  # what each word's own label reaches
    selective_words = dict(zip(PROBES, of_words - of_control, strict=True))
    show.holds("words carry part of speech", selective_words.pop("part of speech"), above=0)
    show.holds("and nothing else", max(selective_words.values()), below=0)
for each in (each for own in of_english.values() for label, each in own.items() if label.endswith("good − bad")):
    show.holds("English: good above bad in the mean", each.mean, above=0)
show.holds("English: nothing settled", min(each.corrected for own in of_english.values() for each in own.values()), above=0.05)
show.glue_numbers(
    {
        "depth_english": results.in_points(of_english["pruned"], "depth: good − bad"),
        "depth_run": results.in_points(of_run["retrained"], "depth: good − bad"),
        "depth_retrained": show.effects.difference(of_run["retrained"], "depth: good − bad", 1),
        "depth_masked": show.effects.difference(of_run["pre-trained weights"], "depth: good − bad", 1),
        "role_retrained": show.effects.difference(of_run["retrained"], "role: good − bad", 1),
        "role_masked": show.effects.difference(of_run["pre-trained weights"], "role: good − bad", 1),
        "hard_retrained": show.effects.difference(hard, "number: good − bad", 1),
        "hard_words": sum(int(each.arrays["hard_tokens"][0]) for each in compared[:1]),
        "words_english": int(compared_english[0].arrays["tokens"][PROBES.index("role"), 1]),
        "random_weights": "not run" if np.isnan(random_weights) else f"{random_weights:.0f} %",
        "bad_depth": results.in_points(tuning, "depth: bad retrained − full"),
        "bad_role": results.in_points(tuning, "role: bad retrained − full"),
        "role_english": show.effects.difference(of_english["pruned"], "role: good − bad", 1),
        "provenance_run": show.sentences.run_on(study),
        "provenance_english": show.sentences.run_on(laptop),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Differences in the accuracy of probes, in points, mean over layers: subnetworks pruned out of the full model, retrained, and of the pre-trained weights, never fine-tuned. Marks are filled where p after Holm's correction within a panel is at most one in twenty.", "name": "fig-probes-differences"}, "image": {"alt": "Differences in accuracy with intervals, a row for each probe and pair of subnetworks, in three panels that look alike"}}
run.stamp(show.effects.forest(of_run, "points of accuracy", same_scale=True))

# %% [markdown]
# ## What to see
#
# A *probe* is a linear classifier that reads one layer's hidden state at a word. Four are asked: the word's part of speech; its depth in the
# dependency tree; whether a noun is agent or patient; and the number of the subject, at verbs whose form does not show it. The grammar of the demo
# language knows the answers. The sentences are in no train set and no pre-training text.
#
# Depth and role are ordered as the names say: good, random, bad. For depth, good less bad is {glue:text}`depth_retrained` after retraining, in points.
# For role it is {glue:text}`role_retrained`. Good against random is settled for depth only.
#
# The three panels look alike, and that is the finding. In the last one no weight was fine-tuned: the masks were laid on the pre-trained model.
# There the difference for depth is {glue:text}`depth_masked`. For role it is {glue:text}`role_masked`. Fine-tuning chose the parts, but what can be
# read from them was there before.
#
# Part of speech shows nothing, since in this language the word alone gives it away. Number shows nothing either: there is little to be read in any
# network. The hard verbs have a noun of the other number in between. There every network is on average wrong more often than right, good
# ones more than bad ones: {glue:text}`hard_retrained` points. But these are {glue:text}`hard_words` words, and the interval is over tasks, not over words.
#
# ## How it is computed
#
# The probe is linear discriminant analysis, in closed form, so nothing is tuned. It might learn words by heart. Therefore each probe has a
# *control task* {cite}`hewitt2019`: labels drawn at random for each word, as often as the real ones. *Selectivity* is accuracy less accuracy on
# the control task. Here is the probe for role on the pre-trained demo model, layer by layer:

# %%
parsed = sentences.annotated(None, 900)
role = sentences.questions(parsed)["role"]
states = probes.stage.states_of("embedded", parsed)  # layers, words, units


def accuracy(features, labels):
    """Fitted on the words of train sentences, counted on those of test sentences."""
    train, known = ~role.test, labels[~role.test]
    z = (features - features[train].mean(0)) / features[train].std(0)
    means = np.stack([z[train][known == label].mean(0) for label in range(len(role.names))])
    within = np.cov((z[train] - means[known]).T, bias=True) + 0.01 * np.eye(z.shape[1])
    weights = np.linalg.solve(within, means.T)
    priors = np.log(np.bincount(known) / len(known))
    scores = z @ weights - (means.T * weights).sum(0) / 2 + priors
    return (scores.argmax(1) == labels)[role.test].mean()


asked = (role.labels, role.control)
by_hand = np.array(
    [[accuracy(state[role.places], labels) for state in states] for labels in asked]
)
assert np.allclose(by_hand, probes.linear.accuracies(states, role)[0], atol=0.005)
for layer, (real_task, control) in enumerate(by_hand.T):
    selectivity = real_task - control
    accurate = f"role {real_task:.3f}, control {control:.3f}"
    print(f"layer {layer}: {accurate}, difference {selectivity:+.3f}")

# %% [markdown]
# At the embeddings the probe knows the word and its place, and the control task is the easier one. From layer to layer the word fades and the
# sentence comes in.
#
# From the package here: [`load_classifier`](../api/models.md) in {source}`lottery_utils/models/load.py`, and the probes in {source}`lottery_book/probes/linear.py`,
# with their sentences in {source}`lottery_book/probes/sentences.py`.
#
# ## What else could be read
#
# Random weights keep words apart too, and so a linear reader gets {glue:text}`random_weights` of the parts of speech right: that much is knowledge
# of words, not of language. Number and role need the sentence, depth in part. In selectivity, good is above bad for depth and role as well.
#
# Fine-tuning costs less than a point: the full model against the pre-trained one. In depth and role, retrained bad subnetworks lose more than ten
# times as much against the full model: {glue:text}`bad_depth` in depth, {glue:text}`bad_role` in role. Good ones lose little, on no probe enough to
# be settled.
#
# MiniLM, fine-tuned on three GLUE tasks, reads English sentences that were written and annotated for this book in the scheme of Universal
# Dependencies {cite}`nivre2020`. Retrained subnetworks are left out, as they would have to be trained again.

# %% tags=["remove-input"]
results.good_bad_table(groups)

# %% [markdown]
# On English, good less bad is above zero, as in the demo, for role by {glue:text}`role_english` points. But three tasks and
# {glue:text}`words_english` test words for role cannot tell. "Not shown" is not "not there".
#
# ## What this does not show
#
# - What a linear probe finds can be read; that the network uses it is not shown. What it does not find may be there in another form.
# - Good, random and bad subnetworks keep the same number of heads and MLPs, but not in the same layers. A layer that lost all of them hands on what
#   it got. So the difference may be *where* parts are kept, not what those parts do.
# - Every task is probed with the same sentences and begins with the same pre-trained model. The intervals speak of other tasks, not of other words
#   or another pre-training.
# - Selectivity compares networks, not probes. Where a real label needs the sentence, a control task of words is the easier one.
# - The demo's language is made up and small, and its words are unambiguous. The English sentences are few, plain, and were annotated once.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/16_probes.ipynb out.ipynb` | 18 s | this chapter from its records: depth, good less bad, {glue:text}`depth_run` |
# | `lottery run --tasks rte --seeds 1337 --stages probes --methods structured --results try` | 40 s | the probes of one task anew |
# | `lottery run --tasks rte --seeds 1337 --stages probes --methods structured --set probe_text=FILE.conllu --results try` | 36 s | the same on your own treebank |
#
# **Exercise 1.** Give each word a random vector and probe these. Which of the four probes do well, and with what selectivity?
#
# :::{dropdown} Answer
# Part of speech, with a selectivity above zero, and every control task: all follow from the word alone. The other three do worse than their control tasks, so their selectivity
# is below zero.
# :::
#
# **Exercise 2.** Which control would tell *where* parts are kept from *which* parts are kept?
#
# :::{dropdown} Answer
# Random subnetworks with as many heads and MLPs in every layer as the good one, as in [](04_subnetworks.ipynb). What is left between these and
# good ones cannot be due to the layers.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. English: {glue:text}`provenance_english`. Versions and times: [](status.ipynb).
# :::
