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
# # Does the common importance bug matter?
#
# Do the same heads and MLPs go, and is what stays as good, when importances are summed as common scripts sum them, and not as
# the paper's formula says?
#
# The paper defines the {term}`importance` of a head, after Michel et al. {cite}`michel2019`, as the mean over examples of the absolute gradient of its gate
# {cite}`prasanna2020`. Its authors' code, and other code that goes back to the same script, computes something else: the
# gradient is never set back to zero between batches, so that each batch adds the absolute value of *all gradients so far*, and
# the absolute value is taken after averaging over a batch, where examples of opposite sign cancel. Four ways to sum the same
# gradients are compared here:
#
# - **exact**: the formula; it does not depend on batches or on the order of the examples;
# - **batched**: zeroed between batches, absolute values of batch means; with one example a batch this is exact;
# - **running**: never zeroed, the rest as exact; it depends on the order whatever the batch;
# - **released**: the authors' whole procedure, see [](../protocol.md): running sums over batches of 64, layer norms that take in
#   removed heads, and importances of the mask that failed where the search changes phase.
#
# **What was run.** Demo: {glue:text}`sums_demo_run`; {glue:text}`sums_demo_cost`; {glue:text}`sums_demo_on`. Real BERT:
# {glue:text}`sums_laptop_run`; {glue:text}`sums_laptop_cost`; {glue:text}`sums_laptop_on`. The records came with the repository; nothing is computed on this page.
#
# **The answer.** Demo: {glue:text}`sums_demo_answer` Real BERT: {glue:text}`sums_laptop_answer`

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import importance_rules
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = [
    {"stages": ["importance"], "methods": ["structured"], "records": "records/importance/demo"},
    {
        "stages": ["score"],
        "methods": ["structured"],
        "subnetworks": ["good", "bad"],
        "overrides": [
            {"importance": "exact"},
            {"importance": "running"},
            {"importance": "released"},
            {"importance": "batched"},
            {"importance": "running", "importance_order": 1},
            {"importance": "running", "importance_batch": 1},
            {"importance": "running", "importance_batch": 8},
            {"importance": "running", "importance_batch": 32},
        ],
        "records": "records/importance/demo",
    },
    {
        "stages": ["retrain"],
        "methods": ["structured"],
        "subnetworks": ["good", "bad"],
        "overrides": [{"importance": "exact"}, {"importance": "running"}],
        "records": "records/importance/demo",
    },
    {"preset": "laptop", "overrides": {"precision": "bf16"}, "records": "records/importance/laptop"},
]
study, *_, laptop = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)
studies = {"demo": study, "laptop": laptop}

# %% tags=["hide-input"]
model = {name: importance_rules.frames.full_model(study) for name, study in studies.items()}
orders = {name: importance_rules.frames.between_orders(study) for name, study in studies.items()}
seeds = {name: importance_rules.frames.between_seeds(study) for name, study in studies.items()}
rules = {name: importance_rules.frames.rule_studies(study) for name, study in studies.items()}
searched = {name: importance_rules.frames.searched(own) for name, own in rules.items()}
alike = {name: importance_rules.frames.alike(own) for name, own in rules.items()}
seeds_alike = {name: importance_rules.frames.seeds_alike(own) for name, own in rules.items()}
same = {name: importance_rules.frames.same_step(own) for name, own in rules.items()}
kept = {
    name: importance_rules.frames.differences(own, ("weights", "heads", "mlps", *importance_rules.frames.SCORES))
    for name, own in searched.items()
}
of_seeds = {name: importance_rules.frames.seed_effects(own) for name, own in seeds.items()}
sizes = {"same size": "score at equal size", "weights": "weights kept", "heads": "heads kept", "mlps": "MLPs kept"}
scores = {name: name if "retrained" in name else f"{name} pruned" for name in importance_rules.frames.SCORES}
show.glue_numbers(
    {
        "sums_demo_answer": importance_rules.text.answer_sentence(
            model["demo"], alike["demo"], seeds_alike["demo"], same["demo"], kept["demo"]
        ),
        "sums_laptop_answer": importance_rules.text.answer_sentence(
            model["laptop"], alike["laptop"], seeds_alike["laptop"], same["laptop"], kept["laptop"]
        ),
        "sums_demo_run": importance_rules.text.run_sentence(searched["demo"], model["demo"]),
        "sums_laptop_run": importance_rules.text.run_sentence(searched["laptop"], model["laptop"]),
        "sums_demo_cost": show.stored.cost_of(studies["demo"]),
        "sums_laptop_cost": show.stored.cost_of(studies["laptop"]),
        "sums_demo_on": show.sentences.run_on(studies["demo"]),
        "sums_laptop_on": show.sentences.run_on(studies["laptop"]),
        "sums_demo_model": importance_rules.text.model_sentence(model["demo"]),
        "sums_laptop_model": importance_rules.text.model_sentence(model["laptop"]),
        "sums_demo_orders": importance_rules.text.order_sentence(orders["demo"]),
        "sums_laptop_orders": importance_rules.text.order_sentence(orders["laptop"]),
        "sums_demo_seeds": importance_rules.text.seeds_sentence(seeds["demo"], of_seeds["demo"]),
        "sums_laptop_seeds": importance_rules.text.seeds_sentence(seeds["laptop"], of_seeds["laptop"]),
        "sums_demo_alike": importance_rules.text.alike_sentence(alike["demo"], seeds_alike["demo"]),
        "sums_laptop_alike": importance_rules.text.alike_sentence(alike["laptop"], seeds_alike["laptop"]),
        "sums_demo_seed_masks": importance_rules.text.seed_masks_sentence(
            seeds_alike["demo"], importance_rules.frames.seed_mask_effects(seeds_alike["demo"])
        ),
        "sums_laptop_seed_masks": importance_rules.text.seed_masks_sentence(
            seeds_alike["laptop"], importance_rules.frames.seed_mask_effects(seeds_alike["laptop"])
        ),
        "sums_demo_same": importance_rules.text.effect_sentence(same["demo"], "same size", "Score at equal size"),
        "sums_demo_weights": importance_rules.text.effect_sentence(
            kept["demo"], "weights", "Share of prunable weights kept"
        ),
        "sums_demo_good": importance_rules.text.effect_sentence(
            kept["demo"], "good", "Score of good subnetworks, pruned"
        ),
        "sums_demo_bad": importance_rules.text.effect_sentence(kept["demo"], "bad", "Score of bad subnetworks, pruned"),
        "sums_demo_good_retrained": importance_rules.text.effect_sentence(
            kept["demo"], "good retrained", "Good subnetworks, retrained"
        ),
        "sums_demo_bad_retrained": importance_rules.text.effect_sentence(
            kept["demo"], "bad retrained", "Bad subnetworks, retrained"
        ),
        "sums_laptop_good": importance_rules.text.effect_sentence(
            kept["laptop"], "good", "Score of good subnetworks, pruned"
        ),
        "sums_laptop_bad": importance_rules.text.effect_sentence(
            kept["laptop"], "bad", "Score of bad subnetworks, pruned"
        ),
        "sums_laptop_good_retrained": importance_rules.text.effect_sentence(
            kept["laptop"], "good retrained", "Good subnetworks, retrained"
        ),
        "sums_laptop_bad_retrained": importance_rules.text.effect_sentence(
            kept["laptop"], "bad retrained", "Bad subnetworks, retrained"
        ),
        "sums_laptop_same": importance_rules.text.effect_sentence(same["laptop"], "same size", "Score at equal size"),
        "sums_laptop_weights": importance_rules.text.effect_sentence(
            kept["laptop"], "weights", "Share of prunable weights kept"
        ),
    }
)

# %% [markdown]
# ## In the full model
#
# One pass over the dev set gives every example's gradients; they are then summed in every way, so that nothing but the sum differs.

# %% mystnb={"figure": {"caption": "How near each sum comes to the exact one: Spearman's rank correlation over the heads of the full model, in six orders of the dev set. One dot a task, mean over seeds and orders; lines are means over tasks. With all examples in one batch the two sums are the same.", "name": "fig-sums-correlation"}, "image": {"alt": "Rank correlation with exact importances against the batch size, two lines, a panel for the demo and one for the real BERT"}}
importance_rules.figures.batch_lines(model, "correlation", "rank correlation with exact")

# %% mystnb={"figure": {"caption": "The same for what a search would do: the share of the heads removed in the first step that the exact importances would remove too.", "name": "fig-sums-picks"}, "image": {"alt": "Share of first-step heads in common with the exact importances against the batch size, two lines, two panels"}}
importance_rules.figures.batch_lines(model, "shared", "first step's heads in common")

# %% [markdown]
# **What to see.** Demo: {glue:text}`sums_demo_model` Real BERT: {glue:text}`sums_laptop_model` A smaller batch mends the batched
# sum, and does nothing for the running one: its first batches are counted again and again, however small they are.

# %% mystnb={"figure": {"caption": "The same examples in another order: mean rank correlation between two of six orders of the dev set, under one sum. In one batch of all examples there is no order.", "name": "fig-sums-orders"}, "image": {"alt": "Rank correlation between two orders of the same examples against the batch size, two lines, two panels"}}
importance_rules.figures.batch_lines(orders, "correlation", "rank correlation of two orders")

# %% [markdown]
# **What to see.** Demo: {glue:text}`sums_demo_orders` Real BERT: {glue:text}`sums_laptop_orders`
#
# Do seeds agree more under one sum than another? Demo: {glue:text}`sums_demo_seeds` Real BERT: {glue:text}`sums_laptop_seeds` What
# looks like chance between seeds is partly made by the sum.
#
# ## In the search
#
# The same fine-tuned models, searched under each sum.

# %% mystnb={"figure": {"caption": "Which heads stay: Jaccard index of each rule's good subnetworks with the exact ones, for the same fine-tuned model; below, of two seeds that are both searched with exact importances. Bars are means over tasks, dots tasks, black marks the chance level.", "name": "fig-sums-heads"}, "image": {"alt": "Bars of the Jaccard index with the exact masks, a row a rule, two panels, with chance levels"}}
importance_rules.figures.likeness_bars(alike, seeds_alike, "head")

# %% mystnb={"figure": {"caption": "The same for MLPs.", "name": "fig-sums-mlps"}, "image": {"alt": "Bars of the Jaccard index of surviving MLPs with the exact masks, a row a rule, two panels, with chance levels"}}
importance_rules.figures.likeness_bars(alike, seeds_alike, "mlp")

# %% [markdown]
# **What to see.** Demo: {glue:text}`sums_demo_alike` Real BERT: {glue:text}`sums_laptop_alike`
#
# Demo: {glue:text}`sums_demo_seed_masks` Real BERT: {glue:text}`sums_laptop_seed_masks`
#
# Is what stays as good? In the first phase of a search every rule removes the same number at each step, so scores can be
# compared at equal size. After it, a better rule shows as a smaller subnetwork, since all searches stop at the same share of the full
# score.

# %% mystnb={"figure": {"caption": "Demo: each rule minus exact, paired by task and seed. At equal size: score over the steps of the first phase that both searches took, in points of the full score; what is kept in points of the prunable weights, the heads and the MLPs. Marks are explained below the figure; numbers count tasks.", "name": "fig-sums-effects"}, "image": {"alt": "Points with intervals, a row a rule, panels for score at equal size, weights, heads and MLPs kept"}}
importance_rules.figures.rule_forest(same["demo"] | kept["demo"], sizes, "points: rule minus exact")

# %% mystnb={"figure": {"caption": "Demo: scores of good and bad subnetworks, pruned and retrained, each rule minus exact, in points of the full score.", "name": "fig-sums-scores"}, "image": {"alt": "Points with intervals, a row a rule, panels for good and bad subnetworks, pruned and retrained"}}
importance_rules.figures.rule_forest(kept["demo"], scores, "points: rule minus exact")

# %% mystnb={"figure": {"caption": "Real BERT: the same as for the demo, sizes and score at equal size. With few tasks intervals are wide.", "name": "fig-sums-effects-laptop"}, "image": {"alt": "Points with intervals for the real BERT, a row a rule, panels for score at equal size, weights, heads and MLPs kept"}}
importance_rules.figures.rule_forest(same["laptop"] | kept["laptop"], sizes, "points: rule minus exact")

# %% mystnb={"figure": {"caption": "Real BERT: scores of good and bad subnetworks, pruned and retrained, each rule minus exact, in points of the full score. Retrained were those of exact and of running 64.", "name": "fig-sums-scores-laptop"}, "image": {"alt": "Points with intervals for the real BERT, a row a rule, panels for good and bad subnetworks, pruned and retrained"}}
importance_rules.figures.rule_forest(kept["laptop"], scores, "points: rule minus exact")

# %% [markdown]
# **What to see.** Demo: {glue:text}`sums_demo_same` {glue:text}`sums_demo_weights` {glue:text}`sums_demo_good`
# {glue:text}`sums_demo_bad` {glue:text}`sums_demo_good_retrained` {glue:text}`sums_demo_bad_retrained`
#
# Real BERT: {glue:text}`sums_laptop_same` {glue:text}`sums_laptop_weights` {glue:text}`sums_laptop_good`
# {glue:text}`sums_laptop_bad` {glue:text}`sums_laptop_good_retrained` {glue:text}`sums_laptop_bad_retrained`

# %%
importance_rules.text.rule_table(
    searched["demo"],
    alike["demo"],
    "Demo: what each rule's search keeps, and scores as shares of the full model's; means over tasks.",
    "sums-demo",
)

# %%
importance_rules.text.rule_table(searched["laptop"], alike["laptop"], "Real BERT: the same.", "sums-laptop")

# %% [markdown]
# ## What this does not show
#
# The good subnetworks' scores say little by themselves: each search stops near the same share of the full score. Sizes move in
# steps, and in these small models a step is a large part of the model. The real BERT is a distilled one of six layers on three small
# tasks with two seeds; BERT-base, with twelve layers and larger dev sets, was not searched. Retrained subnetworks are compared for
# the rules that the tables have them for. And the exact formula is the paper's definition, not a proof of what a head
# is worth: that running sums differ from it does not make them worse, only the scores can.
#
# ## The records
#
# They came with the repository; of your own study this chapter computes what `NEEDS` says. Where the demo's
# fine-tuned models were made again for a rule, the notes of its records say how far their logits are from the recorded ones.

# %%
show.tables.provenance_table(studies["demo"])

# %%
show.tables.provenance_table(studies["laptop"])
