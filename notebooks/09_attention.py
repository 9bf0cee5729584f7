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
# # What do the survivors attend to?
#
# :::{admonition} Do heads survive because of what they look at?
# :class: answer
#
# Nothing here says so. *Heterogeneous* attention, the type that might carry language, makes up {glue:text}`het_super` of the maps of super-survivors
# and {glue:text}`het_all` of all heads' (published, raw). In this run survivors have less of it: {glue:text}`het_super_run` against
# {glue:text}`het_all_run`. In single heads the two hardly go together. And the classifier that names the types finds blocks where none can
# be, so small differences mean little.
#
# The same, map by map as the paper counts: r = <span class="evidence"><span class="source published">published</span> {glue:text}`badge_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`badge_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`badge_run`</span>
#
# ```{glue} claims_09
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

from lottery_book import attention_patterns, sources
from lottery_utils import compute, open_study, show

patterns, survival = attention_patterns.shares, attention_patterns.survival
BY_MAP = "raw: super-survivor, by map"
NEEDS = {"stages": ["attention"], "methods": ["structured"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
shares = {source: patterns.shares_of(source) for source in three}
stored = show.frames.readings(study, "attention")
by_head = survival.head_shares(study)
r = survival.correlations(by_head)
r_real = survival.correlations(survival.head_shares(real.study))
r_published = survival.published_correlations()
numbers = sources.published.text_numbers()
show.holds("the published correlations are tiny", max(abs(value) for value in r_published.values()), below=0.05)
show.glue_numbers(
    {
        "het_all": patterns.mean_share(shares[published]),
        "het_super": patterns.mean_share(shares[published], patterns.SUPER),
        "het_all_run": patterns.mean_share(shares[run]),
        "het_super_run": patterns.mean_share(shares[run], patterns.SUPER),
        "badge_published": f"{r_published[BY_MAP]:+.3f}",
        "badge_real": survival.told(r_real[BY_MAP]),
        "badge_run": survival.told(r[BY_MAP]),
        "r_raw": survival.told(r["raw: good, by head"]),
        "r_normed": survival.told(r["normed: good, by head"]),
        "r_within": survival.told(r["normed: good, by head of a layer"]),
        "f1_raw": numbers["pattern_f1_raw"],
        "f1_normed": numbers["pattern_f1_normed"],
        "f1_raw_run": patterns.classifier_f1(stored, "raw"),
        "f1_normed_run": patterns.classifier_f1(stored, "normed"),
        "f1_raw_harder": patterns.classifier_f1(stored, "raw", harder=True),
        "f1_normed_harder": patterns.classifier_f1(stored, "normed", harder=True),
        "blocks_raw": patterns.false_blocks(shares[run], "raw"),
        "blocks_normed": patterns.false_blocks(shares[run], "normed"),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "How much heterogeneous attention there is: the share of raw attention maps so named, by task, of all heads and of super-survivors when all else is cut. Different models, texts and labels: compare the two marks of a row, not the columns. (The paper's attention figure, b.)", "name": "fig-pattern-shares"}, "image": {"alt": "Dots of the share of heterogeneous maps by task, all heads and super-survivors: published, real study, this run"}}
patterns.heterogeneous(shares, "raw")

# %% [markdown]
# ## What to see
#
# A head's attention on one text is a map: which token looks at which. Kovaleva et al. {cite}`kovaleva2019` sort such maps into five types. Four have a
# plain shape. The fifth, *heterogeneous*, is the one that might carry something about the language. If pruning keeps heads for what they know,
# the filled marks should lie right of the hollow ones.
#
# In the published numbers they lie right on five tasks of eight. In this run super-survivors have {glue:text}`het_super_run`, all heads
# {glue:text}`het_all_run`. Whether survival and type go together in single heads is judged on the [scorecard](scorecard.ipynb).
#
# (pattern-classifier)=
# ## How far the classifier can be trusted
#
# The authors sorted maps by a small network that had learnt from labels given by people; its macro F1 was {glue:text}`f1_raw` (raw) and
# {glue:text}`f1_normed` (normed). These labels are not public, so here the same network learns from maps *drawn by rule*.
# On such maps that it did not learn from its F1 is {glue:text}`f1_raw_run` (raw) and {glue:text}`f1_normed_run` (normed). On maps with more noise than
# any that it learnt from it is {glue:text}`f1_raw_harder` and {glue:text}`f1_normed_harder`; most of what it then gets wrong it calls heterogeneous.
#
# There is one check on real maps. A single sentence has nothing to be divided into blocks. Of the maps of single sentences, {glue:text}`blocks_raw` (raw)
# and {glue:text}`blocks_normed` (normed) are called block all the same. That is how far a share may be off.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The five types: above, maps drawn by rule, from which the classifiers learn; below, maps of fine-tuned models of this run that were so named, drawn at random. A row of a map is the token that looks, a column the one looked at; darker is more. (The paper's attention figure, a.)", "name": "fig-pattern-types"}, "image": {"alt": "Small square maps in five columns, one for each type of attention, drawn by rule and from models"}}
run.stamp(patterns.types(stored))

# %% [markdown]
# ## How it is computed
#
# Weight-normed attention {cite}`kobayashi2020` multiplies each weight by the norm of what the token hands on through the head's part of $W_O$. The parts
# of a layer's heads must sum to the layer's output, so a head owns columns; [](11_authors.ipynb) shows that the authors' rows do not.
#
# The correlation is of one number per head with another: the share of its maps that are heterogeneous, and whether it survives. By hand, and by the
# package:

# %%
per_head = by_head.query("kind == 'raw'")
if len(per_head):
    by_hand = np.corrcoef(per_head["share"], per_head["good"].astype(float))[0, 1]
    assert np.isclose(by_hand, r["raw: good, by head"].r) or np.isnan(by_hand)
    heads = len(per_head[["layer", "head"]].drop_duplicates())
    print(f"r = {by_hand:+.2f} over {len(per_head):,} observations of {heads} heads")

# %% [markdown]
# The observations are not independent. The same head of the same pre-trained model stands in every task and seed. So the interval draws tasks, seeds and
# heads anew, each for itself {cite}`owen2007`. "By map" counts as the authors did: each map is one observation, which makes r small and the number
# of observations large.
#
# From the package here: [`attention_maps`](../api/models.md) in {source}`lottery_utils/models/attention_maps.py`, and the correlation in
# {source}`lottery_book/attention_patterns/survival.py`.
#
# (pattern-survival)=
# ## Do heterogeneous heads survive?
#
# For raw attention r is {glue:text}`r_raw` in this run. For normed attention it is {glue:text}`r_normed`. Compared only within layers, since both survival and
# attention change from layer to layer, it is {glue:text}`r_within`. The published r are those of the paper's text; one of the authors' notebooks gives
# a tenth of it for normed attention. The [scorecard](scorecard.ipynb) takes r within each
# task, of raw maps and super-survivors, and then the mean over tasks, so its number is another one.

# %% tags=["remove-input"]
survival.correlation_table(r, r_published)

# %% [markdown]
# ## Normed, and before fine-tuning
#
# The same shares of weight-normed attention, with fine-tuned and with pre-trained weights. The heads of the lower row were chosen by what fine-tuning did
# to them, and have the types they had before.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The share of weight-normed maps that are heterogeneous, by task: fine-tuned (above) and pre-trained weights (below). (The paper's attention figure, c, and its appendix.)", "name": "fig-pattern-pretrained"}, "image": {"alt": "Dots of the share of heterogeneous weight-normed maps by task, fine-tuned and pre-trained: published, real study, this run"}}
patterns.heterogeneous(shares, "normed", ("fine-tuned", "pre-trained"))

# %% [markdown]
# ## What this does not show
#
# - The classifier knows rules, not people's judgement. "Heterogeneous" means that no rule's shape was found; that it carries language is not measured,
#   here or in the paper.
# - Where the line lies between a faint shape and none is the rules' choice, and other rules give another r.
# - The demo's model is small and its texts are made up, so its shares say nothing about BERT.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/09_attention.ipynb out.ipynb -p tasks '["rte"]'` | 45 s | this chapter for one task; over all tasks {glue:text}`het_all_run` of the maps are heterogeneous |
# | `lottery run --preset demo --tasks rte --stages attention --set attention_examples=20 --results try` | 43 s | fewer maps, wider intervals than r = {glue:text}`badge_run` |
# | `lottery run --preset base --tasks rte --seeds 1337 --stages attention --results results` | minutes, after the searches, estimated | the real study's maps |
#
# **Exercise 1.** Ten thousand maps of 48 heads give a tiny correlation with a tiny p. Why is that not evidence?
#
# :::{dropdown} Answer
# The maps of one head are nearly copies of each other. There are 48 heads, not ten thousand independent observations.
# :::
#
# **Exercise 2.** How would you test whether heterogeneous attention *matters*, rather than whether it survives?
#
# :::{dropdown} Answer
# Take it away: replace the maps of such heads by even attention, and of as many others, and compare the scores.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
