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
# # What was found since
#
# :::{admonition} The paper is of 2020. Does it still hold, after six years of later work?
# :class: answer
#
# **Published**: its main finding does. That most heads can go was found again, on far larger models too; that it matters little *which*,
# at least once more for BERT. But not everything is redundant: disabling {glue:text}`n_kovaleva2021` breaks BERT.
#
# **Real study**, {glue:text}`real_evidence`: without its four largest LayerNorm dimensions, {glue:text}`four_share` of its weights, the
# model keeps {glue:text}`four_real` of its lead, without sixteen {glue:text}`sixteen_real`; as many random ones cost nothing. *Which* heads of a layer stay
# matters where they are merely pruned: good subnetworks beat random by layer by {glue:text}`layer_points_pruned`. Retrained they lead by
# {glue:text}`layer_points`, barely decided. Heads chosen in one look were not told apart from those of the full search. One or two seeds a task are a first look.
#
# Four dimensions off, lead kept: <span class="evidence"><span class="source published">published</span> broken, {glue:text}`n_kovaleva2021`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`four_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`four_run`</span>
# :::

# %% mystnb={"code_prompt_hide": "Run this chapter: parameters", "code_prompt_show": "Run this chapter: parameters"} tags=["parameters", "hide-cell"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # False: compute nothing and show gaps

# %% mystnb={"code_prompt_hide": "Run this chapter: what it computes and reads", "code_prompt_show": "Run this chapter: what it computes and reads"} tags=["hide-cell", "remove-stderr"]
import numpy as np

from lottery_book import later_work, scorecard, sources
from lottery_utils import compute, open_study, show

pictures, sections, works = later_work.pictures, later_work.sections, later_work.works
NEEDS = {"stages": ["outliers", "origins", "one_look"], "methods": ["structured"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
verdicts = scorecard.judge.Verdicts(sources.three_sources(study))
published, real, run = verdicts.sources
both = (real, run)
found = {source.kind: sections.sections(source.study, verdicts.of(source.kind)) for source in both}
of_real = verdicts.of(real.kind)
WITH_NUMBERS = ("a", "f", "g")  # sections whose effects prose names; without the real study's records they are gaps
complete = all(found[real.kind][section] for section in WITH_NUMBERS)
told = show.effects.told
if complete:
    retrained = found[real.kind]["a"]["good", "random_layer", "s-pruning, retrained"]
    of_f = {at: each for (_, second, at), each in found[real.kind]["f"].items() if second == "good"}
    bottom = of_f["s-pruning, retrained"].by_task.sort_values()
    light = {at: each for (*_, at), each in found[real.kind]["g"].items()}
    gains = light[0.98].by_task
    in_prose = {
        "bottom_pruned": told(of_f["s-pruning, pruned"], pairs=False),
        "bottom_retrained": told(of_f["s-pruning, retrained"], pairs=False),
        "bottom_close": f"{(bottom > -10).sum()} of {len(bottom)} tasks",
        "bottom_last": real.title_of(bottom.index[0]),
        "bottom_second": real.title_of(bottom.index[1]),
        "bottom_next": real.title_of(bottom.index[2]),
        "bottom_behind": f"{-bottom.iloc[2]:.0f} points",
        "light_task": real.title_of(gains.idxmax()),
        "light_most": f"{gains.max():.0f} points",
        "light_lower": told(light[0.98], pairs=False),
        "light_higher": told(light[1.0], pairs=False),
        "layer_points_pruned": f"{of_real['s_layer'].shown.mean:.0f} points",
        "layer_points": f"{retrained.mean:.0f}",
        "layer_real_retrained": told(retrained, pairs=False),
    }
else:
    names = ("pruned", "retrained", "close", "last", "second", "next", "behind")
    names = [*(f"bottom_{name}" for name in names), *(f"light_{name}" for name in ("task", "most", "lower", "higher"))]
    names += ["layer_points_pruned", "layer_points", "layer_real_retrained"]
    in_prose = dict.fromkeys(names, sources.NO_RECORD)
number = works.works().set_index("key")["number"]
show.glue_numbers(
    in_prose
    | {
        "n_kovaleva2021": number["kovaleva2021"],
        "n_liang2021": number["liang2021"],
        "n_sajjad2020": number["sajjad2020"],
        "n_kwon2022": number["kwon2022"],
        "n_gordon2020": number["gordon2020"],
        "n_chen2020": number["chen2020"],
        "n_bansal2023": number["bansal2023"],
        "n_sandoval2025": number["sandoval2025"],
        "real_evidence": works.evidence(real),
        "four_share": works.share_of(real, 4),
        "four_real": works.lead_without(real, 4),
        "four_run": works.lead_without(run, 4),
        "sixteen_real": works.lead_without(real, 16),
        "random_real": verdicts.chip("s_random", real.kind),
        "sinks_real": told(sections.sinks(real.study), pairs=False),
        "sinks_run": told(sections.sinks(study), pairs=False),
        "separators_real": told(sections.sinks(real.study, "SEP"), pairs=False),
        "separators_run": told(sections.sinks(study, "SEP"), pairs=False),
        "good_lacks": pictures.good_lacks(real),
        "shared_real": pictures.shared_in_words(real),
        "passes_real": works.passes(real),
        "passes_run": works.passes(run),
        "provenance_real": real.provenance,
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-cell"]
if complete:  # without the records there are gaps
    largest = {count: found[real.kind]["b"][sections.LARGEST, sections.RANDOM, count].mean for count in (2, 4)}
    without = pictures.without_dimensions(real.study)
    show.holds("without training bottom layers lose far more than good", of_f["s-pruning, pruned"].high, below=-30)
    show.holds("retrained they come close on all tasks but three", bottom.iloc[3], above=-10)
    show.holds("on two of these they keep little of the lead", bottom.iloc[1], below=-60)
    show.holds("and on the third more", bottom.iloc[2], above=-40, below=-10)
    show.holds("light tickets are not told apart", [each.word for each in light.values()].count("undecided"), above=1)
    show.holds("on one task they pass the full model", min(each.by_task[gains.idxmax()] for each in light.values()), above=10)
    show.holds("on the others they are close to it", max(abs(each.by_task.drop(gains.idxmax())).max() for each in light.values()), below=5)
    of_e = [each.word for each in found[real.kind]["e"].values()]
    of_d = {(way, at): each.word for (way, _, at), each in found[real.kind]["d"].items()}
    known = [way for way in of_d if way[0] != "random"]
    of_layers = {claim: of_real[claim].word for claim in sections.JUDGED.values()}
    show.holds("pruned, good beats random by layer", of_layers.pop("s_layer") == "supported", above=0)
    show.holds("of random by layer the scorecard can tell no more", len(set(of_layers.values()) - {"cannot tell", "no number"}), below=1)
    show.holds("retrained, good beats it too", retrained.word == "above", above=0)
    show.holds("by a narrow margin", retrained.corrected, 0.01, 0.05)
    same = [verdicts.of(source.kind)["s_same"].word for source in (published, real)]
    show.holds("nor can it tell whether random ones do as well", same.count("cannot tell"), above=1)
    show.holds("no single look is told apart from the search", of_e.count("undecided") == len(of_e), above=0)
    show.holds("norms and entropy are not told apart from importance", {of_d[way] for way in known} == {"undecided"}, above=0)
    show.holds("a random order of a quarter of the heads is", of_d["random", 0.25] == "below", above=0)
    show.holds("of larger shares it is not", {of_d["random", share] for share in (0.5, 0.75)} == {"undecided"}, above=0)
    show.holds("pruned heads look less at the first token", sections.sinks(real.study).high, below=0)
    show.holds("and more at the separators", sections.sinks(real.study, "SEP").low, above=0)
    of_b = [found[real.kind]["b"][sections.LARGEST, sections.RANDOM, count].word for count in (4, 8, 16)]
    show.holds("from four dimensions on the loss is decided", of_b.count("below"), above=2)
    show.holds("disabling two dimensions costs nothing", largest[2], -2, 2)
    show.holds("four cost about as much as the good subnetwork does", largest[4], -40, -20)
    show.holds("as many random ones cost nothing", without.loc[without["way"] == sections.RANDOM, "lead"].mean(), above=0.97)
    show.holds("the pre-trained mask costs a quarter more", found[real.kind]["c"]["pre-trained", "fine-tuned", 0.5].mean, -35, -18)
    show.holds("the two masks share nearly all", pictures.jaccard_by_matrix(real.study).mean(), above=0.95)

# %% mystnb={"figure": {"caption": "What later works lead one to ask, one difference each, in points of {term}`lead kept`. A ring is a task, a dot the mean over tasks, and a line its interval where there are three or more.", "name": "fig-since"}, "image": {"alt": "Seven differences with their intervals over tasks, a panel for the real study and one for this run"}} tags=["remove-input"]
works.headline(both, found)

# %% [markdown]
# ## The later works
#
# Fourteen works that bear on the paper's claims. Their numbers are those of their abstracts; all were looked up. Where one could be tried on
# the models at hand, the last columns say what came out.

# %% tags=["remove-input"]
works.works_table(both, found)

# %% [markdown]
# ## How it is computed
#
# Nothing is trained for sections b to e, which in the real study rest on {glue:text}`real_evidence`; section a is of eight tasks, m-pruning
# of those that have all its subnetworks so far. Of four tasks only a sample of the data is used. The fine-tuned full models are scored again, each time without something: a few dimensions, some
# weights, some heads. Every difference is paired by task and seed; tasks are the sample, and p is corrected within a section (Holm). What is a claim of the
# [scorecard](scorecard.ipynb) is judged there and not again.
#
# The importance of a head is a sum over examples and tokens, and works differ in where they take absolute values or squares. Here are the
# four sums of section e, on made-up gradients of gates, held to the package's:

# %%
by_token = np.random.default_rng(0).normal(size=(96, 20, 12, 12))  # example, token, layer, head
by_example = by_token.sum(axis=1)  # the gradient of a head's gate
sums = {
    "exact": np.abs(by_example).mean(axis=0),  # this paper's
    "fisher": np.square(by_example).mean(axis=0),
    # in batches of 32
    "fisher_32": np.square(by_example.reshape(3, 32, 12, 12).mean(axis=1)).mean(axis=0),
    "tokens": np.abs(by_token).sum(axis=1).mean(axis=0),
}
mlps = by_example[..., 0]  # not looked at here
package = later_work.one_look.summed(by_example, mlps, np.abs(by_token).sum(axis=1), mlps)
assert all(np.allclose(sums[name], package[name][0]) for name in sums)

# %% [markdown]
# From the package here: [`pruning.importance`](../api/pruning.md) in {source}`lottery_utils/pruning/importance.py` for the sums of other chapters, and the stages `outliers`, `origins` and
# `one_look` of this one.
#
# ## a. Are the counts by layer all that matters?
#
# Of networks pruned at initialisation, {cite:t}`su2020` and {cite:t}`frankle2021` found that the pruned weights can be drawn anew
# within each layer at no cost. Of networks pruned *after* training, Frankle et al. found the opposite. {cite:t}`budhraja2020` pruned BERT's
# heads at random, to little effect. So: does good still beat random, once both have as many heads in every layer?
# Six differences that bear on this are claims of the scorecard:
#
# ```{glue} claims_19
# :doc: scorecard.ipynb
# ```

# %% mystnb={"figure": {"caption": "Section a: good, random by layer and random at equal counts, by method and treatment. A ring is a task; a mean is filled where the corrected p is at most one in twenty. For good less random by layer after retraining that is this section's p, for all else the scorecard's.", "name": "fig-since-a"}, "image": {"alt": "Differences between subnetworks with their intervals over tasks, a panel for the real study and one for this run"}} tags=["remove-input"]
pictures.section_forest(both, found, "a")

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "What of section a is not on the scorecard, in numbers", "code_prompt_hide": "What of section a is not on the scorecard, in numbers"}
works.section_table(both, found, "a", "condition")

# %% [markdown]
# The scorecard has no claim on good against random by layer *after retraining*. In the real study that difference is
# {glue:text}`layer_real_retrained` for s-pruning, decided by a narrow margin; with one seed a task it was not. So in MPNet the counts by
# layer are not all that matters before retraining, and perhaps not after it. Rings beyond 100 are tasks where a random network falls below a constant
# answer. What this does not show: a layer has one MLP, so random by layer keeps the good one's MLPs.
#
# ## b. Can a few LayerNorm dimensions break the model?
#
# {cite:t}`kovaleva2021`, two of this paper's authors among them, set a few LayerNorm dimensions to zero in every layer: those whose scaling
# factor and bias stand out. Here the dimensions that stand out most are disabled, and beside them as many others, drawn at random.

# %% mystnb={"figure": {"caption": "Lead kept without a few LayerNorm dimensions, against the share of all weights that this removes, and beside it good subnetworks, which lack far more. Thick: mean over tasks.", "name": "fig-since-b"}, "image": {"alt": "Lead kept against the share of weights removed on a log scale, a panel for the real study and one for this run"}} tags=["remove-input"]
pictures.dimensions(both)

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Section b in numbers", "code_prompt_hide": "Section b in numbers"}
works.section_table(both, found, "b", "dimensions")

# %% [markdown]
# The published finding is about BERT-base and its relatives. MPNet, of another pre-training, has such dimensions too. Disabling two costs
# nothing. Four cost about as much of the lead as the good subnetwork does, which lacks {glue:text}`good_lacks` of all weights; from four on
# the loss is decided. As many random ones cost nothing. In the demo, where four are a far larger share of
# a small model, they stand out less. What this does not show: whether the model could do without them after
# training.
#
# ## c. Whose magnitudes?
#
# {cite:t}`gordon2020` pruned by the magnitudes of the *pre-trained* weights and lost nothing at {glue:text}`n_gordon2020`; fine-tuning
# first did not help. {cite:t}`chen2020` found their tickets in the pre-trained weights as well. If fine-tuning hardly moves the weights, both
# magnitudes name the same ones. Here is how far they do, as a Jaccard index, in one model of each source:

# %%
for source in both:
    for task, seed, arrays in sections.of_stage(source.study, "origins"):
        # a number for each size
        tuned, pretrained, shared, total = arrays["removed"].sum(axis=(1, 2)).T
        jaccard = shared / (tuned + pretrained - shared)
        chance = tuned * pretrained / total
        chance = chance / (tuned + pretrained - chance)
        by_size = zip(arrays["kept"], jaccard, chance, strict=True)
        told = [f"{kept:.0%} kept: {j:.2f} (chance {c:.2f})" for kept, j, c in by_size]
        print(f"{source.kind}, {task}, seed {seed}: {', '.join(told)}")
        break  # one model of each source

# %% mystnb={"figure": {"caption": "Where both magnitudes part when half of all weights go: of the weights that either removes, the share that only one does, in per cent, by layer and kind of matrix, mean over tasks and seeds.", "name": "fig-since-c"}, "image": {"alt": "Share of removed weights not shared, one row per layer and one column per kind of matrix, a panel for the real study and one for this run"}} tags=["remove-input"]
pictures.unshared_weights(both)

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Section c in numbers", "code_prompt_hide": "Section c in numbers"}
works.section_table(both, found, "c", "share kept")

# %% [markdown]
# The fine-tuned weights are scored under both masks, without training. In MPNet the two masks share {glue:text}`shared_real` of what they
# remove at half the weights, and still the pre-trained one costs about a quarter of the lead more. The few
# weights in which they differ are those that fine-tuning moved past the threshold. What this does not show: Gordon et al. fine-tuned *after* pruning, which forgives more.
#
# ## d. Inactive heads
#
# {cite:t}`sandoval2025` asked of large decoders which heads do nothing, and found {glue:text}`n_sandoval2025`. Norms of outputs find such heads,
# attention weights alone miss some. Here heads alone are removed, all at once, by output norm, by attention entropy and by this paper's
# importance; each is divided by its layer's norm first, as in the paper.

# %% mystnb={"figure": {"caption": "Section d: a share of the heads removed at once by other rankings, less by importance. Marks as in {numref}`fig-since-a`.", "name": "fig-since-d"}, "image": {"alt": "Differences between rankings of heads at three shares removed, a panel for the real study and one for this run"}} tags=["remove-input"]
pictures.section_forest(both, found, "d")

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Section d in numbers", "code_prompt_hide": "Section d in numbers"}
works.section_table(both, found, "d", "heads removed")

# %% [markdown]
# Do pruned heads look at \[CLS\] or \[SEP\], where heads are said to rest? In the real study pruned heads turn less of their attention to the
# first token than kept ones do: {glue:text}`sinks_real`. To the separators they turn more: {glue:text}`separators_real`. In this run they turn
# a little more to both, {glue:text}`sinks_run` and {glue:text}`separators_run`. These four were not corrected for one another.
#
# In neither source was output norm or entropy told apart from importance. A random order is decidedly worse, in the real study where a quarter
# of the heads goes; of larger shares tasks differ too much to tell. What this does not show:
# inactive for one task is not inactive for all, and an entropy says nothing of what is looked at.
#
# ## e. Is one look enough?
#
# The search measures the importances anew after each step: on average {glue:text}`passes_real` forward passes over the dev set in the real
# study, {glue:text}`passes_run` in this run. By contrast, {cite:t}`kwon2022` rank once, by Fisher information, and report {glue:text}`n_kwon2022`. They also
# rearrange and tune the masks, which is not done here. All rankings below are cut to the good subnetwork's numbers of heads and MLPs.

# %% mystnb={"figure": {"caption": "Section e: rankings made once, less the full search at the same size. Marks as in {numref}`fig-since-a`.", "name": "fig-since-e"}, "image": {"alt": "Differences between single looks and the full search, a panel for the real study and one for this run"}} tags=["remove-input"]
pictures.section_forest(both, found, "e")

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Section e in numbers", "code_prompt_hide": "Section e in numbers"}
works.section_table(both, found, "e")

# %% [markdown]
# In the real study no single look was told apart from the search. In the demo both Fisher sums keep less. Whether the search beats a random
# draw is a claim of the [scorecard](scorecard.ipynb). Real study: {glue:text}`random_real`. MLPs are ranked among MLPs here, as in
# the paper. What this does not show: the search chose its mask by the very scores shown, so part of its lead may be selection
# ({doc}`18_selection` measures what that gives).
#
# ## f. What if the top layers go?
#
# {cite:t}`sajjad2020` leave off the top layers: {glue:text}`n_sajjad2020`. {term}`Bottom layers <bottom layers>` keep as many heads and
# MLPs as the good subnetwork, from the lowest layer up.

# %% mystnb={"figure": {"caption": "Section f: bottom layers less other subnetworks of the same size. Marks as in {numref}`fig-since-a`.", "name": "fig-since-f"}, "image": {"alt": "Differences between bottom layers and other subnetworks, a panel for the real study and one for this run"}} tags=["remove-input"]
pictures.section_forest(both, found, "f")

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Section f in numbers", "code_prompt_hide": "Section f in numbers"}
works.section_table(both, found, "f", "condition")

# %% [markdown]
# In the real study, without training, bottom layers lose far more than good subnetworks: {glue:text}`bottom_pruned`. Trained again, they
# come within ten points of them on {glue:text}`bottom_close`. On {glue:text}`bottom_last` and {glue:text}`bottom_second` they learn next to nothing, in either seed, and on
# {glue:text}`bottom_next` they stay {glue:text}`bottom_behind` behind. So the mean is undecided: {glue:text}`bottom_retrained`. This run has no such subnetworks until it is asked for them, by the commands at the end of the page. What this does not show: bottom layers differ from good ones in where their
# components are, and in which.
#
# ## g. Are light tickets better than the full model?
#
# {cite:t}`liang2021` prune lightly, retrain, and gain: {glue:text}`n_liang2021`. The paper stops its search at nine tenths of the full score,
# where good subnetworks lose. With a threshold near one the search stops early, and the ticket is light.

# %% mystnb={"figure": {"caption": "Section g: light tickets, retrained, less the full model. Marks as in {numref}`fig-since-a`.", "name": "fig-since-g"}, "image": {"alt": "Differences between light tickets and the full model, a panel for the real study and one for this run"}} tags=["remove-input"]
pictures.section_forest(both, found, "g")

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Section g in numbers", "code_prompt_hide": "Section g in numbers"}
works.section_table(both, found, "g", "threshold")

# %% [markdown]
# In the real study, two seeds of four tasks, light tickets are not told apart from the full model. The lower threshold gives
# {glue:text}`light_lower`, the higher {glue:text}`light_higher`. On all tasks but one they are within five points of it;
# on {glue:text}`light_task` they pass it, at the lower threshold by {glue:text}`light_most`. What this does not show: Liang et al. choose the size on the dev set as well, and average over tasks that differ in spread. A gain of a point is
# within what seeds alone do on small tasks.
#
# ## What of the paper stands in 2026
#
# These judgements rest on the abstracts of fourteen works and, where something was measured here, on one or two seeds of one model.
#
# **Stands.** Much of a fine-tuned model can go at little cost. It was found again for BERT ({cite:t}`xia2022`, {cite:t}`kurtic2022`) and, without
# any fine-tuning, for a model six hundred times as large, where {glue:text}`n_bansal2023` can go {cite}`bansal2023`. That random
# heads can go with little effect was found in the same year, independently {cite}`budhraja2020`. Whether retrained random subnetworks do as
# well as good ones, the [scorecard](scorecard.ipynb) cannot tell, neither by the published numbers nor by the real study.
#
# **Stands with a limit.** "All tickets are winning" is about subnetworks of half the model's size, started from pre-trained weights. Works that
# make BERT ten times smaller {cite}`kurtic2022` or over ten times faster {cite}`xia2022` rank by second-order scores or prune during training.
# Tickets that win by magnitude were found {glue:text}`n_chen2020` {cite}`chen2020`, by pruning and retraining in turns, not by one search. The good
# subnetwork need not be the best: lighter ones may pass the full model {cite}`liang2021`. Importance by steps is one way to rank among
# several, and not a cheap one {cite}`kwon2022`. And tickets may not be all alike: retrained, good ones narrowly beat those that only have as many
# heads in each layer (section a).
#
# **Does not follow.** No claim of the paper was refuted, but two conclusions that a reader may draw do not follow from it. One is that every
# part is redundant: a handful of LayerNorm dimensions is not, in BERT {cite}`kovaleva2021` and in MPNet here. The other is that subnetworks
# which score alike behave alike: on examples unlike the training set they part {cite}`bhaskar2024`.
#
# **Nobody knows**, as far as we could find, why pre-trained weights train so well under almost any mask, or whether bad subnetworks of large
# decoders can be retrained as BERT's can. Nor is it known which of this page's small differences would survive many tasks and seeds. That
# can be computed here.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `lottery run --preset demo --tasks rte --stages outliers --results try` | 23 s | section b for RTE-like; in the mean over all tasks {glue:text}`four_run` of the lead stays without four dimensions |
# | `lottery run --preset demo --tasks rte --stages one_look --results try` | 27 s | section e for RTE-like: one look keeps less than the search |
# | `papermill notebooks/19_since.ipynb out.ipynb -p tasks '["rte"]' -p results_dir try` | 27 s | this chapter on them, and what they lack |
#
# **Exercise 1.** Two rankings agree on nine of ten heads that go. Do the subnetworks score alike?
#
# :::{dropdown} Answer
# Not necessarily: the tenth may be a head that matters. So section e compares scores, not ranks.
# :::
#
# **Exercise 2.** Two masks of weights share nearly all of what they remove. May their scores differ much?
#
# :::{dropdown} Answer
# Yes: at half of MPNet's weights they differ by a quarter of the lead (section c). Overlap counts weights, it does not weigh them.
# :::
#
# ::::{dropdown} Run this chapter
# Sections b to e score stored models again, minutes a model. Sections a, f and g train.
#
# ```
# lottery run --preset base --seeds 1337 --stages outliers origins one_look
# lottery run --preset base --seeds 1337 --stages score retrain --methods structured --subnetworks good random random_layer bottom_layers bad
# lottery run --preset base --seeds 1337 --stages retrain --methods structured --subnetworks good --set threshold=0.98
# lottery run --preset base --seeds 1337 --stages retrain --methods structured --subnetworks good --set threshold=1.0
# ```
#
# With `--preset demo` they fill the rows of this run.
#
# Real study: {glue:text}`provenance_real`
#
# This run: {glue:text}`provenance_run`
# ::::
