"""The explorer: a search step by step in the browser, with data, script and style inside the page.

Nothing is fetched, so the page works from a file. Choices and steps are in explorer.js, the drawing is in
explorer_draw.js, its look in explorer.css.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from lottery_utils.show.frames import final_step, title_of
from lottery_utils.show.style import COLOURS, IMPORTANCE_MAP, METHOD_NAMES, SURVIVAL_MAP
from lottery_utils.tasks.registry import shown_task

if TYPE_CHECKING:
    from IPython.display import HTML

    from lottery_utils.experiment.cells import Cell
    from lottery_utils.experiment.study import Study

PARTS = 1000  # shares and importances are stored in thousandths, each as two digits to the base 36
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
NOT_STORED = "This search is not stored: it was not run, or it failed."
CAPTION = (
    "One search, step by step. A filled cell is a head or an MLP still there, coloured by its importance at this step "
    "(s-pruning) or by the share of its weights kept (m-pruning); a dashed cell is gone. The curve is the dev score; "
    "a subnetwork below the dashed target is not kept."
)
FALLBACK = (
    "This drawing needs JavaScript, which is switched off. The chapters on s-pruning and m-pruning show the same "
    "searches as still figures."
)


def explorer(studies: Mapping[str, Study]) -> HTML:
    """The explorer of all searches of `studies` (name shown to study), to be displayed in a notebook.

    The HTML holds everything; it needs no network and shows `FALLBACK` where scripts are off.
    """
    from IPython.display import HTML

    return HTML(explorer_html(studies))


def explorer_html(studies: Mapping[str, Study]) -> str:
    """The explorer as HTML: style, place, data and script, in this order."""
    data = json.dumps(explorer_data(studies), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    data = data.replace("<", "\\u003c")  # nothing in a name may end the script element
    colours = "; ".join(f"--lx-{name}: {colour}" for name, colour in _colours().items())
    return "\n".join(
        (
            f"<style>\n{_asset('explorer.css')}</style>",
            f'<figure class="lottery-explorer" style="{colours}" aria-label="Explorer of the searches">',
            f'<div class="lx-place"><noscript><p>{escape(FALLBACK)}</p></noscript></div>',
            f"<figcaption>{escape(CAPTION)}</figcaption>",
            f'<script type="application/json">{data}</script>',
            "</figure>",
            f"<script>\n(function () {{\n{_asset('explorer_draw.js')}\n{_asset('explorer.js')}}})();\n</script>",
        )
    )


def explorer_data(studies: Mapping[str, Study]) -> dict:
    """Everything the explorer draws: a list of studies, each with its tasks, methods, seeds and searches.

    `searches` maps "task/method/seed" to a search (`_structured`, `_magnitude`) or, where there is nothing to
    draw, to {"gap": the reason}.
    """
    return {
        "methods": METHOD_NAMES,
        "studies": [{"name": name, **_study(study)} for name, study in studies.items()],
    }


def _study(study: Study) -> dict:
    preset, searches, titles = study.preset, {}, {}
    for cell in study.cells(["search"]):
        if cell.stage != "search":
            continue
        record = study.record(cell)
        if record is not None:
            titles[cell.task] = title_of(record)
        searches[f"{cell.task}/{cell.method}/{cell.seed}"] = _search(study, cell, record)
    return {
        "tasks": [[task, titles.get(task, shown_task(task).title)] for task in preset.tasks],
        "methods": list(preset.methods),
        "seeds": list(preset.seeds),
        "threshold": preset.threshold,
        "searches": searches,
    }


def _search(study: Study, cell: Cell, record: dict | None) -> dict:
    if record is None:
        return {"gap": NOT_STORED}
    if record["degenerate"]:
        return {"gap": "; ".join(record["notes"]) or "the search is degenerate"}
    course = study.trajectory(cell)
    if course is None:
        return {"gap": "The record of this search came without its steps."}
    found = {
        "score": _numbers(course["score"], 4),
        "target": round(float(course["target"][0]), 4),
        "passed": _bits(course["passed"]),
        "good": final_step(course),
        "note": "; ".join(record["notes"]),
    }
    return found | (_structured(course) if cell.method == "structured" else _magnitude(course))


def _structured(course: Mapping[str, np.ndarray]) -> dict:
    """Masks as bits, a text a step; importances of the components still there, in thousandths of the step's largest.

    heads are in the order layer by layer; `head_top` and `mlp_top` are each step's largest importance.
    """
    heads, mlps = course["heads"], course["mlps"]
    head_values, head_top = _relative(course["head_importance"], heads)
    mlp_values, mlp_top = _relative(course["mlp_importance"], mlps)
    return {
        "layers": heads.shape[1],
        "width": heads.shape[2],
        "phase": course["phase"].tolist(),
        "heads": [_bits(step) for step in heads],
        "mlps": [_bits(step) for step in mlps],
        "head_values": head_values,
        "head_top": head_top,
        "mlp_values": mlp_values,
        "mlp_top": mlp_top,
    }


def _magnitude(course: Mapping[str, np.ndarray]) -> dict:
    """Shares of weights kept, in thousandths: of all prunable weights, of each head and of each MLP."""
    heads, mlps = course["head_share"], course["mlp_share"]
    return {
        "layers": heads.shape[1],
        "width": heads.shape[2],
        "share": _parts(course["share"]),
        "head_values": [_parts(step) for step in heads],
        "mlp_values": [_parts(step) for step in mlps],
    }


def _relative(values: np.ndarray, kept: np.ndarray) -> tuple[list[str], list[float]]:
    """For each step the values of what is kept, in thousandths of their largest, and that largest (0 if none).

    A mask that failed has no importances: its values are the empty text.
    """
    parts, tops = [], []
    for step, there in zip(values, kept, strict=True):
        own = step[there].astype(float)
        if np.isnan(own).any():
            own = own[:0]
        top = float(own.max(initial=0.0))
        parts.append(_parts(own / top if top > 0 else own))
        tops.append(float(f"{top:.4g}"))
    return parts, tops


def _parts(values: np.ndarray) -> str:
    parts = np.rint(PARTS * np.asarray(values, dtype=float)).astype(int).ravel().tolist()
    return "".join(DIGITS[part // 36] + DIGITS[part % 36] for part in parts)


def _numbers(values: np.ndarray, decimals: int) -> list[float]:
    return [round(float(value), decimals) for value in values]


def _bits(flags: np.ndarray) -> str:
    return "".join("1" if flag else "0" for flag in np.ravel(flags))


def _colours() -> dict[str, str]:
    """The palette of the figures under the names that explorer.css uses."""
    from matplotlib.colors import to_hex

    named = {name: COLOURS[name] for name in ("full", "good", "random", "bad")}
    for name, ramp in (("importance", IMPORTANCE_MAP), ("kept", SURVIVAL_MAP)):
        named |= {f"{name}-{at}": to_hex(ramp(share)) for at, share in (("low", 0.0), ("mid", 0.5), ("high", 1.0))}
    return named


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
