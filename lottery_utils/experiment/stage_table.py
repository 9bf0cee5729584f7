"""The table of stages: all that is declared about a stage stands in its row here. Imports no torch.

Addresses, plans, dependencies, costs and help texts are read from it. A stage of one chapter names a function there.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..presets import METHODS, SUBNETWORKS

SUPER = ("super", "super_random", "super_bad")
OF_THE_GOOD = tuple(name for name in SUBNETWORKS if name not in ("good", "random", *SUPER))  # made of its mask alone
MAGNITUDE_SUBNETWORKS = ("good", "random", "random_layer", "bad")  # the others are defined on components only
HANS_TASK = "mnli"  # whose classes HANS asks for
CURVE = "nested"  # what a curve is of: subnetworks of every size, each inside the one before

# preset fields that stages read
OPTIMISER = ("learning_rate", "warmup", "weight_decay", "adam_eps", "clip")
TRAINING = ("max_length", "batch_size", "epochs", "min_steps", *OPTIMISER, "dropout", "keep_classifier")
TRAINING += ("precision", "held_out")
SUMS = ("importance_batch", "importance_order")  # how `importance` sums, where it is not "exact"
RANKING = ("score", "head_norms", *SUMS)
# `importance` also chooses between the stop rules
STRUCTURED_SEARCH = ("threshold", "importance", "search", "head_step", "selection", *RANKING)
MAGNITUDE_SEARCH = ("threshold", "importance", "magnitude_step", "magnitude_max_steps", "selection", "unstructured")
ATTENTION = ("attention_examples", "attention_min_tokens", "attention_max_tokens")


@dataclass(frozen=True)
class Case:
    """What is particular to some methods and subnetworks of a stage."""

    methods: tuple[str, ...] = ("",)  # "" prunes nothing, as do baselines
    subnetworks: tuple[str, ...] = ("full",)
    upstream: tuple[str, ...] = ()  # what its function reads, in this order; see `cells.NEEDS`
    settings: tuple[str, ...] = ()  # preset fields its function reads; its upstream reads others
    versions: tuple[str, ...] = ()  # which of `identity.Versions` are part of making it
    # those it reads beside train: "dev", "choosing" or "scoring" (see `selection`), or ``module:function``
    examples: str = "dev"
    reads_model: bool = True  # whether the preset's model is part of it
    seeded: bool = True  # whether a baseline involves chance; without it one cell is for all seeds
    on_request: bool = False  # whether a baseline is computed only when named
    cost: float | None = None  # where it is not its stage's


@dataclass(frozen=True)
class Stage:
    """A row: its function as ``module:function``, one line about it, its relative cost, and its cases."""

    function: str
    about: str
    cost: float  # where no record says better
    cases: tuple[Case, ...]
    on_request: bool = False  # computed when named, by a chapter for one
    always: bool = False  # planned whatever subnetworks are asked for
    version: int | None = None  # of what it computes: raise it when its code changes results; None: never numbered
    task: str | None = None  # the only task it is for
    given: str | None = None  # a preset field without which it has nothing to read
    searches: bool = False  # whether it may find nothing to search: a gap of all that follows


HERE, BOOK = __package__, "lottery_book"
EACH = (METHODS, SUBNETWORKS)  # every method with the subnetworks it defines
GOOD = (METHODS, ("good",))  # stages that compare networks have the name of the good one
HELD_OUT = ("held_out",)
TRAINS = ("dropout",)
FULL_MASK = ("full", "mask")
HANS = f"{BOOK}.hans:examples"

# Case(methods, subnetworks, upstream, settings, versions, examples)
STAGES = {
    "finetune": Stage(
        f"{HERE}.stages:run_finetune", "makes the full model", 10.0,
        (Case(settings=TRAINING, versions=TRAINS),),
    ),
    "baseline": Stage(
        f"{HERE}.stages:run_baseline", "what needs no pre-training", 10.0,
        (
            Case(subnetworks=("majority",), reads_model=False, seeded=False, cost=0.1),
            Case(subnetworks=("bag_of_words",), settings=HELD_OUT, reads_model=False, seeded=False, cost=1.0),
            Case(subnetworks=("cbow",), settings=HELD_OUT, reads_model=False, on_request=True, cost=1.0),
            Case(subnetworks=("bilstm",), settings=HELD_OUT, reads_model=False, on_request=True, cost=2.0),
            Case(subnetworks=("random_init",), settings=TRAINING, versions=TRAINS),
            Case(subnetworks=("random_init_pruned",), upstream=("mask",), settings=TRAINING, versions=TRAINS,
                 examples="scoring", on_request=True, cost=7.0),
        ),
    ),
    "search": Stage(
        f"{HERE}.stages:run_search", "finds the good subnetwork of a method", 6.0,
        (
            Case(("structured",), ("good",), ("full",), STRUCTURED_SEARCH, ("search",), "choosing"),
            Case(("magnitude",), ("good",), ("full",), MAGNITUDE_SEARCH, ("search",), "choosing"),
        ),
        searches=True,
    ),
    "control": Stage(
        f"{HERE}.stages:run_control", "draws a subnetwork to compare with", 0.3,
        (
            Case(("structured",), ("random",), ("search",), ("random_sizes",)),
            Case(("structured",), OF_THE_GOOD, ("search",)),
            Case(("structured",), SUPER, ("searches",)),
            # ranks the fine-tuned weights, where structured controls need the good mask only
            Case(("magnitude",), ("random", "random_layer", "bad"), ("full", "search")),
        ),
    ),
    "score": Stage(
        f"{HERE}.stages:run_score", "evaluates fine-tuned weights under a mask", 0.6,
        (Case(*EACH, FULL_MASK, examples="scoring"),),
    ),
    "retrain": Stage(
        f"{HERE}.stages:run_retrain", "fine-tunes the pre-trained weights under a mask", 9.0,
        (Case(*EACH, ("mask",), TRAINING, TRAINS, "scoring"),),
    ),
    "retrain_longer": Stage(
        f"{HERE}.stages:run_retrain", "the same for more epochs", 18.0,
        (Case(METHODS, ("bad",), ("mask",), (*TRAINING, "longer"), TRAINS, "scoring"),),
        on_request=True,
    ),
    "attention": Stage(
        f"{BOOK}.attention_patterns.stage:run_attention",
        "names the patterns of heads, of all and of the super-survivors", 3.0,
        (Case(("structured",), ("super",), ("full", "searches"), ATTENTION),),
        on_request=True, always=True, version=1,
    ),
    "importance": Stage(
        f"{BOOK}.importance_rules.stage:run_importance", "sums the full model's importances in several ways", 1.0,
        (Case(("structured",), upstream=("full",)),),
        on_request=True, version=1,
    ),
    "hans": Stage(
        f"{HERE}.stages:run_score", "scores the full model and pruned subnetworks of MNLI on HANS", 4.0,
        (
            Case(upstream=("full",), settings=("hans",), examples=HANS),
            Case(*EACH, FULL_MASK, ("hans",), examples=HANS),
        ),
        on_request=True, task=HANS_TASK, given="hans",
    ),
    "hans_retrain": Stage(
        f"{HERE}.stages:run_retrain", "retrains subnetworks of MNLI and scores them on HANS", 12.0,
        (Case(*EACH, ("mask",), (*TRAINING, "hans"), TRAINS, HANS),),
        on_request=True, task=HANS_TASK, given="hans",
    ),
    "curve": Stage(
        f"{BOOK}.method_comparison.stage:run_curve", "prunes to ever smaller sizes and scores each", 8.0,
        (
            Case(("structured",), (CURVE,), ("full",), ("importance", *RANKING), ("search",)),
            Case(("magnitude",), (CURVE,), ("full",), ("unstructured",)),
        ),
        on_request=True, searches=True,
    ),
    "landscape": Stage(
        f"{BOOK}.loss_surface.stage:run_landscape", "the loss between full, good, random and bad of all seeds", 20.0,
        (Case(*GOOD, ("networks_of_all_seeds",), ("landscape_examples", "landscape_directions")),),
        on_request=True, always=True, version=1,
    ),
    "surface": Stage(
        f"{BOOK}.loss_surface.stage:run_surface", "the loss around full, good, random and bad of one seed", 15.0,
        (Case(*GOOD, ("networks",), ("landscape_examples", "landscape_grid")),),
        on_request=True, always=True, version=1,
    ),
    "probes": Stage(
        f"{BOOK}.probes.stage:run_probes", "what layers of full, good, random and bad know of grammar", 8.0,
        (Case(*GOOD, ("networks",), ("probe_sentences", "probe_text", "probe_retrained")),),
        on_request=True, always=True, version=2,
    ),
    "outliers": Stage(
        f"{BOOK}.later_work.stage:run_outliers", "scores the full model without a few LayerNorm dimensions", 8.0,
        (Case(upstream=("full",)),),
        on_request=True, version=1,
    ),
    "origins": Stage(
        f"{BOOK}.later_work.stage:run_origins", "prunes by pre-trained and by fine-tuned magnitudes", 6.0,
        (Case(upstream=("full",)),),
        on_request=True, version=1,
    ),
    "one_look": Stage(
        f"{BOOK}.later_work.one_look:run_one_look", "ranks heads and MLPs once, in several ways", 12.0,
        (Case(("structured",), upstream=("full", "search")),),
        on_request=True, version=1,
    ),
}  # fmt: skip

_BASELINES = {name: case for case in STAGES["baseline"].cases for name in case.subnetworks}
BASELINES = tuple(_BASELINES)
USUAL_BASELINES = tuple(name for name, case in _BASELINES.items() if not case.on_request)
CHANCELESS = tuple(name for name, case in _BASELINES.items() if not case.seeded)
TRANSFORMERS = tuple(name for name, case in _BASELINES.items() if case.reads_model)  # the preset's network, untrained

CASES = {  # by stage, method and subnetwork
    (name, method, subnetwork): case
    for name, stage in STAGES.items()
    for case in stage.cases
    for method in case.methods
    for subnetwork in case.subnetworks
    if method != "magnitude" or subnetwork in (*MAGNITUDE_SUBNETWORKS, CURVE)  # no components to invert or share
}
