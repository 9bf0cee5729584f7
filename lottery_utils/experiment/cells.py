"""Cells: the units of work of the study, and which cell needs which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..errors import UserError, require_known, shown
from ..presets import GLUE_TASKS, METHODS, SUBNETWORKS, Preset
from .stage_table import BASELINES, CASES, CHANCELESS, CURVE, MAGNITUDE_SUBNETWORKS, STAGES, USUAL_BASELINES, Case

# which examples choose a subnetwork under each selection, and which it is scored on
PARTS = {"dev": ("dev", "dev"), "half": ("first", "second"), "other_half": ("second", "first")}
PARTS |= {"held_out": ("held_out", "dev")}
COMPARED = ("good", "random", "bad")  # subnetworks that stages on several networks look at
NO_SEED = 0  # the seed of baselines that involve no chance
NO_CASE = Case()


@dataclass(frozen=True)
class Cell:
    """One unit of work: a stage for a task and seed, on one subnetwork.

    `stage_table.STAGES` says what each stage does. `method` is empty for stages that prune nothing, and for baselines:
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

    @property
    def case(self) -> Case:
        """What the table of stages says of it; an empty case for what only other versions of the code know."""
        return CASES.get((self.stage, self.method, self.subnetwork), NO_CASE)

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
    there = cell.task in (*GLUE_TASKS, *own) and cell.case is not NO_CASE
    if not there or STAGES[cell.stage].task not in (None, cell.task):
        raise UserError(f"there is no cell {shown(name)}; {form}")
    return cell


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
    """The examples a cell reads beside train: "dev", its "first" or "second" half, "held_out" of train, or others."""
    choosing, scoring = PARTS[selection]
    return {"choosing": choosing, "scoring": scoring}.get(cell.case.examples, cell.case.examples)


def upstream(cell: Cell, seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Cells whose results `cell` reads; super-survivors read the searches of all `seeds`."""
    return tuple(needed for name in cell.case.upstream for needed in NEEDS[name](cell, seeds))


def _compared(task: str, method: str, *seeds: int) -> list[Cell]:
    """Of each seed the full model, and mask and retraining of the good, random and bad subnetworks."""
    cells = []
    for seed in seeds:
        retrained = [Cell(task, seed, "retrain", method, name) for name in COMPARED]
        cells += [full(task, seed), *map(mask_source, retrained), *retrained]
    return cells


NEEDS = {  # what the table of stages calls upstream: from a cell and the study's seeds to the cells meant
    "full": lambda cell, seeds: [full(cell.task, cell.seed)],
    "mask": lambda cell, seeds: [mask_source(cell)],
    "search": lambda cell, seeds: [replace(cell, stage="search", subnetwork="good")],
    "searches": lambda cell, seeds: [Cell(cell.task, seed, "search", cell.method, "good") for seed in sorted(seeds)],
    "networks": lambda cell, seeds: _compared(cell.task, cell.method, cell.seed),
    "networks_of_all_seeds": lambda cell, seeds: _compared(cell.task, cell.method, *sorted(seeds)),
}


def plan(
    preset: Preset,
    stages: Iterable[str] | None = None,
    methods: Iterable[str] | None = None,
    subnetworks: Iterable[str] | None = None,
) -> list[Cell]:
    """Cells of `preset` in dependency order: those asked for and everything they need.

    None means all stages but those on request, and the preset's own methods and subnetworks. `subnetworks` may
    name baselines too; when it names none, the usual ones are meant. Raises UserError for an unknown name, or
    when the choice holds no cell.
    """
    usual = [name for name, stage in STAGES.items() if not stage.on_request]
    stages = _choice("stages", stages, tuple(STAGES), usual)
    methods = _choice("methods", methods, METHODS, preset.methods)
    names = _choice("subnetworks", subnetworks, (*SUBNETWORKS, *BASELINES), preset.subnetworks)
    subnetworks = [name for name in names if name in SUBNETWORKS]
    baselines = [name for name in names if name in BASELINES] or USUAL_BASELINES
    kinds = _kinds(stages, methods, (*baselines, *subnetworks))
    wanted = [cell for task in preset.tasks for cell in _task_cells(task, preset.seeds, kinds)]
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


Kind = tuple[str, str, str]  # stage, method and subnetwork


def _kinds(stages: list[str], methods: list[str], subnetworks: Iterable[str]) -> list[Kind]:
    """The kinds of cells that a choice means: without a method first, then by method, subnetwork and stage."""
    chosen = [stage for stage in stages if not STAGES[stage].always]
    kinds: list[Kind] = []
    for method in ("", *methods):
        kinds += [(stage, method, name) for name in ("full", CURVE, *subnetworks) for stage in chosen]
        kinds += [kind for kind in CASES if kind[0] in stages and kind[0] not in chosen and kind[1] == method]
    return [kind for kind in kinds if kind in CASES]


def _task_cells(task: str, seeds: Iterable[int], kinds: list[Kind]) -> list[Cell]:
    """The cells of a task: baselines without chance once, all others for each seed."""
    kinds = [kind for kind in kinds if STAGES[kind[0]].task in (None, task)]
    cells = [Cell(task, NO_SEED, *kind) for kind in kinds if kind[2] in CHANCELESS]
    return cells + [Cell(task, seed, *kind) for seed in seeds for kind in kinds if kind[2] not in CHANCELESS]


def _choice(what: str, names: Iterable[str] | None, valid: tuple[str, ...], default: Iterable[str]) -> list[str]:
    """`names`, or `default` for None; checked against `valid`, in the order of `valid`."""
    if names is None:
        return list(default)
    names = [names] if isinstance(names, str) else list(names)
    require_known(names, valid, f"{what}: unknown value")
    if not names:
        raise UserError(f"{what}: expected at least one of {', '.join(valid)}, got none")
    return [name for name in valid if name in names]
