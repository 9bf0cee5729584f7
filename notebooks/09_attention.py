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
# A head's attention on one text is a map: which token looks at which. Kovaleva et al. {cite}`kovaleva2019` sort such maps into
# five types. Four have a plain shape; the fifth, *heterogeneous*, is the one that might carry something about the language.
# If pruning keeps heads for what they know, the {term}`super-survivors` should be rich in it.
#
# **What the paper says** {cite}`prasanna2020`. They are not: super-survivors have all types, and heterogeneous attention hardly
# goes with survival. Maps were sorted by a small convolutional network that had learnt from labels given by people, on raw
# attention and on weight-normed attention {cite}`kobayashi2020`, where each weight is multiplied by the norm of what the token
# hands on.
#
# **What is different here.** The labels are not public, so the same network learns from maps *drawn by rule*. And of each
# head's output matrix the right part is taken: its columns. The authors' notebook takes rows, and the parts of its heads do not
# add up to the layer's output; see [](../protocol.md).
#
# **What this chapter was run on.** {glue:text}`run_on_attention`.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import attention_patterns, published
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = {"stages": ["attention"], "methods": ["structured"]}
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)

# %% tags=["hide-input"]
found = attention_patterns.frames.readings(study)
confusions = attention_patterns.frames.confusions(found)
shares = attention_patterns.frames.pattern_shares(attention_patterns.frames.pattern_counts(found))
theirs, numbers = published.attention_shares(), published.text_numbers()
correlations = attention_patterns.text.all_correlations(attention_patterns.survival.head_shares(study, found))
r_theirs = attention_patterns.text.published_correlations(numbers)
show.glue_numbers(
    {
        "run_on_attention": show.sentences.run_on(study),
        "pattern_examples": attention_patterns.text.examples_sentence(study, found),
        "pattern_f1": attention_patterns.text.f1_sentence(confusions, numbers),
        "pattern_blocks": attention_patterns.text.false_block_sentence(shares),
        "pattern_shares": attention_patterns.text.share_sentence(shares),
        "pattern_r_raw": attention_patterns.text.correlation_sentence(correlations["raw: good, by head"]),
        "pattern_r_normed": attention_patterns.text.correlation_sentence(correlations["normed: good, by head"]),
        "pattern_r_within": attention_patterns.text.correlation_sentence(
            correlations["normed: good, by head of a layer"]
        ),
    }
)

# %% [markdown]
# ## Five types
#
# In the order of the figure: attention to a few tokens that everyone looks at; to oneself or a neighbour; both; evenly within
# a sentence of a pair; and no such shape. A map that is almost even has no shape either and counts as heterogeneous.
# {glue:text}`pattern_examples`

# %% mystnb={"figure": {"caption": "The five types: above, maps drawn by rule, from which the classifiers learn; below, maps of fine-tuned models that were so named, drawn at random, not the clearest. A row of a map is the token that looks, a column the one looked at; darker is more. (The paper's attention figure, a.)", "name": "fig-pattern-types"}, "image": {"alt": "Small square maps in five columns, one for each type of attention, drawn by rule and from models"}}
attention_patterns.figures.types(found)

# %% [markdown]
# ## How far the classifier can be trusted
#
# {glue:text}`pattern_f1` Maps of a model are not drawn by rule, and how well they are named is not known, but for one check.
# {glue:text}`pattern_blocks`

# %% mystnb={"figure": {"caption": "Held-out maps drawn by rule, of other sizes than those trained on: like them, and with more noise than any of them. Each row sums to one. What is lost in noise is mostly called heterogeneous.", "name": "fig-pattern-confusion"}, "image": {"alt": "Four confusion matrices of five types, raw and weight-normed, easy and hard"}}
attention_patterns.figures.confusion(confusions)

# %% [markdown]
# ## Which types there are
#
# {glue:text}`pattern_shares` The authors cut the model down to its super-survivors, without training it again, and looked at
# what was left: a broken model, near chance. Here those heads are also read off inside the whole model, where nothing is broken.

# %% mystnb={"figure": {"caption": "Shares of the types, mean over tasks: measured here (filled) and published (hollow, hatched: BERT-base on GLUE, eight tasks, from the authors' notebook). Different models, texts, labels and weight slices: compare the differences between conditions, not the bars. (The paper's attention figure, b and c.)", "name": "fig-pattern-shares"}, "image": {"alt": "Stacked bars of the five types by condition, ours filled and the published ones hatched"}}
attention_patterns.figures.shares(shares, theirs)

# %% mystnb={"figure": {"caption": "Shares of the types in each task, fine-tuned weights, mean over seeds.", "name": "fig-pattern-tasks"}, "image": {"alt": "Stacked bars of the five types for each task, in six panels by heads and kind of attention"}}
attention_patterns.figures.shares_by_task(shares)

# %% mystnb={"figure": {"caption": "The published shares of each task, fine-tuned weights, super-survivors of the cut model. (The paper's attention figure, b and c.)", "name": "fig-pattern-published"}, "image": {"alt": "Hatched stacked bars of the five published types for each of eight tasks, in four panels"}}
attention_patterns.figures.published_by_task(theirs)

# %% mystnb={"figure": {"caption": "Shares of the types in each task before fine-tuning: the pre-trained weights, same examples. (The paper's appendix.)", "name": "fig-pattern-pretrained"}, "image": {"alt": "Stacked bars of the five types for each task with pre-trained weights, in six panels"}}
attention_patterns.figures.shares_by_task(shares, "pre-trained")

# %% [markdown]
# ## Do heterogeneous heads survive?
#
# One observation is a head in one task and seed: the share of its maps that are heterogeneous, and whether the good subnetwork
# keeps it. These are not independent. The same head of the same pre-trained model stands in every task and seed, and all heads of
# a fine-tuned model share its training. So the interval draws tasks, seeds and heads anew, each for itself
# {cite}`owen2007`; the thin line is what one would get from taking all observations for independent. "By map" counts as the
# authors did: each map is one observation, of the type or not, which makes r small and the number of observations large
# without adding to what is known.
#
# - Raw: {glue:text}`pattern_r_raw`
# - Weight-normed: {glue:text}`pattern_r_normed`
# - Weight-normed, comparing only heads of one layer, since both survival and attention change from layer to layer:
#   {glue:text}`pattern_r_within`

# %% mystnb={"figure": {"caption": "Correlation of heterogeneous attention with survival. Published values are those of the paper's text, counted by map for super-survivors; one of their notebooks gives a tenth of it for normed attention.", "name": "fig-pattern-survival"}, "image": {"alt": "Correlation coefficients with intervals, a row for each kind of attention, survival and unit"}}
attention_patterns.figures.correlations(correlations, r_theirs)

# %%
attention_patterns.text.correlation_table(correlations, r_theirs)

# %% [markdown]
# **What to see, and what not.** The classifier knows rules, not people's judgement: "heterogeneous" here means that no rule's
# shape was found, and the step from there to "carries language" is not measured, here or in the paper. Where the line lies
# between a faint shape and none is the rules' choice, and other rules give another r: read its sign and size with that in mind.
# The embedded model is
# small and its texts are short and made up, so its shares say nothing about BERT; with `preset="paper"` the same
# code reads BERT. Token types are given as the model was trained; the authors passed none, so both sentences of a pair had the
# first type.
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
