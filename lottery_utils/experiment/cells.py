"""Cells: the units of work of the study, and which cell needs which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..errors import UserError, shown
from ..presets import GLUE_TASKS, METHODS, SUBNETWORKS, Preset

STAGES = ("finetune", "baseline", "search", "control", "score", "retrain", "retrain_longer", "attention", "importance")
STAGES += ("hans", "hans_retrain", "curve")
# stages computed when named, by their chapter for one
ON_REQUEST = ("retrain_longer", "attention", "importance", "hans", "hans_retrain", "curve")
COMPARING = ("landscape", "surface", "probes")  # stages that look at full, good, random and bad networks together
STAGES, ON_REQUEST = (*STAGES, *COMPARING), (*ON_REQUEST, *COMPARING)
BASELINES = ("majority", "bag_of_words", "cbow", "bilstm", "random_init", "random_init_pruned")
USUAL_BASELINES = ("majority", "bag_of_words", "random_init")  # the others are computed when named
CHANCELESS = ("majority", "bag_of_words")  # baselines that involve no chance: one for all seeds
TRANSFORMERS = ("random_init", "random_init_pruned")  # baselines that are the preset's network, untrained
LONGER = ("bad",)  # subnetworks that are also fine-tuned for longer
SUPER = ("super", "super_random", "super_bad")
MAGNITUDE_SUBNETWORKS = ("good", "random", "random_layer", "bad")  # the others are defined on components only
HANS_TASK = "mnli"  # whose classes HANS asks for
# which examples a search reads under each selection, and those that score what it found
PARTS = {"dev": ("dev", "dev"), "half": ("first", "second"), "other_half": ("second", "first")}
PARTS |= {"held_out": ("held_out", "dev")}
COMPARED = ("good", "random", "bad")  # subnetworks that those stages look at
CURVE = "nested"  # what a curve is of: subnetworks of every size, each inside the one before
NO_SEED = 0  # the seed of baselines that involve no chance


@dataclass(frozen=True)
class Cell:
    """One unit of work: a stage for a task and seed, on one subnetwork.

    `finetune` makes the full model; `search` finds the good subnetwork of a method; `control` draws
    one to compare with; `score` evaluates fine-tuned weights under a mask; `retrain` fine-tunes the
    pre-trained weights under a mask, `retrain_longer` for more epochs; `attention` names the patterns of the
    heads, of all and of the super-survivors; `importance` sums the full model's importances in several ways; `hans`
    and `hans_retrain` score the full model and subnetworks of MNLI, pruned and retrained, on HANS; `curve`
    prunes to ever smaller sizes and scores each. `method` is empty for stages that prune nothing, and for baselines:
    `random_init_pruned` is random weights under the mask of the structured random control.
    """

    task: str
    seed: int
    stage: str
    method: str
    subnetwork: str

    @property
    def name(self) -> str:
        """Readable name, e.g. ``mrpc/42/retrain/structured/good``."""
        return "/".join(str(part) for part in self.as_dict().values() if part != "")

    def as_dict(self) -> dict:
        """The five fields as a plain dict."""
        return dict(vars(self))


def parse_cell(name: str, own: Iterable[str] = ()) -> Cell:
    """Read a cell's name back; `own` are tasks it may have beside GLUE's. Raises UserError with the expected form."""
    parts = name.split("/")
    form = "expected TASK/SEED/STAGE[/METHOD]/SUBNETWORK, such as mrpc/42/retrain/structured/good"
    if len(parts) == 4:
        parts.insert(3, "")
    if len(parts) != 5 or not parts[1].isascii() or not parts[1].isdigit():
        raise UserError(f"{shown(name)} is not the name of a cell; {form}")
    cell = Cell(parts[0], int(parts[1]), *parts[2:])
    if cell.task not in (*GLUE_TASKS, *own) or not _is_valid(cell):
        raise UserError(f"there is no cell {shown(name)}; {form}")
    return cell


def _is_valid(cell: Cell) -> bool:
    if cell.stage == "finetune":
        return (cell.method, cell.subnetwork) == ("", "full")
    if cell.stage == "baseline":
        return cell.method == "" and cell.subnetwork in BASELINES
    if cell.stage == "attention":
        return (cell.method, cell.subnetwork) == ("structured", "super")
    if cell.stage in COMPARING:
        return cell.method in METHODS and cell.subnetwork == "good"
    if cell.stage == "curve":
        return cell.method in METHODS and cell.subnetwork == CURVE
    if cell.stage == "importance":
        return (cell.method, cell.subnetwork) == ("structured", "full")
    if cell.stage.startswith("hans") and cell.task != HANS_TASK:
        return False
    if cell.stage == "hans" and (cell.method, cell.subnetwork) == ("", "full"):
        return True
    names = subnetworks_of(cell.method, SUBNETWORKS)
    if cell.stage == "search":
        names = [n for n in names if n == "good"]
    elif cell.stage == "control":
        names = [n for n in names if n != "good"]
    elif cell.stage == "retrain_longer":
        names = [n for n in names if n in LONGER]
    return cell.stage in STAGES and cell.method in METHODS and cell.subnetwork in names


def subnetworks_of(method: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that `method` defines: magnitude pruning has no components to invert or share."""
    return [n for n in names if method == "structured" or n in MAGNITUDE_SUBNETWORKS]


def full(task: str, seed: int) -> Cell:
    """The cell that fine-tunes the full model."""
    return Cell(task, seed, "finetune", "", "full")


def mask_source(cell: Cell) -> Cell:
    """The search or control cell whose mask a score, retrain or pruned baseline cell uses."""
    if cell.stage == "baseline":
        return Cell(cell.task, cell.seed, "control", "structured", "random")
    stage = "search" if cell.subnetwork == "good" else "control"
    return Cell(cell.task, cell.seed, stage, cell.method, cell.subnetwork)


def part_of(cell: Cell, selection: str) -> str:
    """The examples a cell reads beside train: "dev", its "first" or "second" half, "held_out" of train, or "hans"."""
    if cell.stage.startswith("hans"):
        return "hans"
    reads, scores = PARTS[selection]
    if cell.stage == "search":
        return reads
    masked = cell.stage in ("score", "retrain", "retrain_longer") or cell.subnetwork == "random_init_pruned"
    return scores if masked else "dev"


def upstream(cell: Cell, seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Cells whose results `cell` reads; super-survivors read the searches of all `seeds`."""
    if cell.stage == "baseline":
        return (mask_source(cell),) if cell.subnetwork == "random_init_pruned" else ()
    if cell.stage == "finetune":
        return ()
    if cell.stage in ("search", "importance", "curve") or cell.subnetwork == "full":
        return (full(cell.task, cell.seed),)
    if cell.stage in COMPARING:  # a landscape joins networks of different seeds
        wanted = seeds if cell.stage == "landscape" else [cell.seed]
        return _compared(cell.task, cell.method, tuple(sorted(wanted)))
    if cell.stage == "attention":
        return (full(cell.task, cell.seed), *_searches(cell, seeds))
    if cell.stage == "control":
        if cell.subnetwork in SUPER:
            return _searches(cell, seeds)
        search = Cell(cell.task, cell.seed, "search", cell.method, "good")
        # magnitude controls rank the fine-tuned weights, structured ones need the good mask only
        return (full(cell.task, cell.seed), search) if cell.method == "magnitude" else (search,)
    if cell.stage in ("score", "hans"):
        return (full(cell.task, cell.seed), mask_source(cell))
    return (mask_source(cell),)


def _searches(cell: Cell, seeds: Iterable[int]) -> tuple[Cell, ...]:
    """The searches of a cell's task and method, of all seeds."""
    return _all_searches(cell.task, cell.method, tuple(sorted(seeds)))


# cells of every seed need the same ones of all seeds: made once, or a plan's time would grow as the seeds' square
@lru_cache(maxsize=512)
def _all_searches(task: str, method: str, seeds: tuple[int, ...]) -> tuple[Cell, ...]:
    return tuple(Cell(task, seed, "search", method, "good") for seed in seeds)


@lru_cache(maxsize=512)
def _compared(task: str, method: str, seeds: tuple[int, ...]) -> tuple[Cell, ...]:
    """Of each seed the full model, and mask and retraining of the good, random and bad subnetworks."""
    cells: list[Cell] = []
    for seed in seeds:
        retrained = [Cell(task, seed, "retrain", method, name) for name in COMPARED]
        cells += [full(task, seed), *map(mask_source, retrained), *retrained]
    return tuple(cells)


def plan(
    preset: Preset,
    stages: Iterable[str] | None = None,
    methods: Iterable[str] | None = None,
    subnetworks: Iterable[str] | None = None,
) -> list[Cell]:
    """Cells of `preset` in dependency order: those asked for and everything they need.

    None means all stages but those `ON_REQUEST`, and the preset's own methods and subnetworks. `subnetworks` may
    name baselines too; when it names none, the usual ones are meant. Raises UserError for an unknown name, or
    when the choice holds no cell.
    """
    stages = _choice("stages", stages, STAGES, [stage for stage in STAGES if stage not in ON_REQUEST])
    methods = _choice("methods", methods, METHODS, preset.methods)
    names = _choice("subnetworks", subnetworks, (*SUBNETWORKS, *BASELINES), preset.subnetworks)
    subnetworks = [name for name in names if name in SUBNETWORKS]
    baselines = [name for name in names if name in BASELINES] or USUAL_BASELINES
    wanted = []
    for task in preset.tasks:
        wanted += [c for c in _task_cells(task, preset.seeds, methods, subnetworks, baselines) if c.stage in stages]
    if not wanted:
        raise UserError(
            f"nothing to run: stages {', '.join(stages)} hold no cell for methods {', '.join(methods)} and "
            f"subnetworks {', '.join(subnetworks)} (magnitude pruning has {', '.join(MAGNITUDE_SUBNETWORKS)} only; "
            "good has no control)"
        )
    ordered: dict[Cell, None] = {}

    def visit(cell: Cell) -> None:
        if cell not in ordered:
            for needed in upstream(cell, preset.seeds):
                visit(needed)
            ordered[cell] = None

    for cell in wanted:
        visit(cell)
    return list(ordered)


def _task_cells(
    task: str, seeds: Iterable[int], methods: list[str], subnetworks: list[str], baselines: Iterable[str]
) -> list[Cell]:
    cells = [Cell(task, NO_SEED, "baseline", "", name) for name in baselines if name in CHANCELESS]
    for seed in seeds:
        cells.append(full(task, seed))
        cells += [Cell(task, seed, "baseline", "", name) for name in baselines if name not in CHANCELESS]
        cells += [Cell(task, seed, "hans", "", "full")] if task == HANS_TASK else []
        for method in methods:
            cells.append(Cell(task, seed, "curve", method, CURVE))
            for name in subnetworks_of(method, subnetworks):
                stages = ("score", "retrain", "retrain_longer") if name in LONGER else ("score", "retrain")
                stages += ("hans", "hans_retrain") if task == HANS_TASK else ()
                source = mask_source(Cell(task, seed, "score", method, name))
                cells += [source] + [Cell(task, seed, stage, method, name) for stage in stages]
            cells += [Cell(task, seed, stage, method, "good") for stage in COMPARING]
        if "structured" in methods:
            cells.append(Cell(task, seed, "importance", "structured", "full"))
            cells.append(Cell(task, seed, "attention", "structured", "super"))
    return cells


def _choice(what: str, names: Iterable[str] | None, valid: tuple[str, ...], default: Iterable[str]) -> list[str]:
    """`names`, or `default` for None; checked against `valid`, in the order of `valid`."""
    if names is None:
        return list(default)
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in valid:
            raise UserError(f"{what}: unknown value {shown(name)}; valid: {', '.join(valid)}")
    if not names:
        raise UserError(f"{what}: expected at least one of {', '.join(valid)}, got none")
    return [name for name in valid if name in names]
