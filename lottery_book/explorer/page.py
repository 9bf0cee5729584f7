"""The charts as HTML: a form, places that Vega draws into, and the data; charts.js does the rest in the built book.

Without scripts, on paper and in an editor of notebooks the still picture beside them is what is seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.tasks.registry import shown_task

from ..sources import Source
from . import maps, specs

if TYPE_CHECKING:
    from IPython.display import HTML

HINT = "Point at a head or an MLP, or go there with the arrow keys: its values, and the tasks and seeds that keep it."
NOTE = "In the built book, where scripts run, these maps answer to pointer and keys."
PANELS = ("left map", "right map")
KEYS = {
    "importance": "importance, from none to the step's largest",
    "kept": "share of seeds or of weights, 0 to 100 %",
    "next": "goes at the next step",
    "out": "\N{MIDDLE DOT} removed, \N{MULTIPLICATION SIGN} at this step",
    "good": "good subnetwork",
    "failed": "below the target",
    "first": "left map: score; heads or weights left",
    "second": "right map",
    "mlps": "MLPs left",
    "phases": "1, 2, 3: heads and MLPs together, heads alone, MLPs alone",
}
STEPS = (
    '<div class="lc-steps lc-searching"><button type="button" class="lc-play">\N{BLACK RIGHT-POINTING TRIANGLE} play'
    '</button><input type="range" name="step" min="0" max="0" value="0" aria-label="step of the search">'
    '<button type="button" class="lc-good">\N{BLACK DIAMOND} good subnetwork</button></div>'
)
Options = Iterable[tuple[str, str]]


def explorer(sources: Sequence[Source], figure: str) -> HTML:
    """Searches step by step: any seed of any source beside another, or beside the share over a source's seeds.

    `sources` as from `sources.three_sources`, or more. `figure` names the still picture on the page, whose place the
    chart takes on the screen. The page's address then holds the choices, and opens them again.
    """
    data = maps.all_maps(sources, tuple(METHOD_NAMES))
    options = [
        (choice, f"{source.name}, {text}") for at, source in enumerate(sources) for choice, text in _seeds(at, source)
    ]
    single = [choice for choice, _ in options if not choice.endswith(maps.ALL) and _tasks_with(data, [choice])]
    starts = [(single or [options[-1][0]])[0], options[0][0]]
    fields = [_select(f"panel{at}", PANELS[at], options, start) for at, start in enumerate(starts)]
    form = _form(sources, _first_task(data, starts), [*fields, STEPS])
    curves = [_view(name, "lc-searching", name) for name in ("scores", "left")]
    return _html(figure, form + _shown([_map(0), _map(1), *curves]), data, sources)


def _html(figure: str, body: str, data: Mapping[str, dict], sources: Sequence[Source]) -> HTML:
    from IPython.display import HTML

    published = [at for at, source in enumerate(sources) if source.kind == "published"]
    content = {
        "specs": specs.specifications(),
        "colours": specs.COLOURS,
        "maps": data,
        "missing": maps.nothing([], maps.NOTHING),
        "names": maps.component_names(data),
        "keepers": [maps.keepers(data, at, source) for at, source in enumerate(sources)],
        "published": f"{published[0] if published else 'none'}/{maps.ALL}",
        "hint": HINT,
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")  # ends no script element
    return HTML(
        f'<div class="lottery-chart" id="{escape(figure)}-chart" data-figure="{escape(figure)}">\n'
        f'<p class="lc-note">{escape(NOTE)}</p>\n{body}\n<script type="application/json">{text}</script>\n</div>'
    )


def _form(sources: Sequence[Source], task: str, fields: list[str]) -> str:
    """The choices: task, method, what each map shows, and the step."""
    tasks = dict.fromkeys(task for source in sources for task in maps.tasks_of(source))
    task = _select("task", "task", [(name, shown_task(name).title) for name in tasks], task)
    method = _select("method", "method", METHOD_NAMES.items(), next(iter(METHOD_NAMES)))
    return f'<form class="lc-choices" aria-label="What the maps show">{"".join([task, method, *fields])}</form>'


def _shown(views: Sequence[str]) -> str:
    items = "".join(
        f'<li><span class="lc-key lc-key-{name}" aria-hidden="true"></span>{escape(text)}</li>'
        for name, text in KEYS.items()
    )
    return (
        f'<p class="lc-said" aria-live="polite"></p><div class="lc-views">{"".join(views)}</div>'
        f'<p class="lc-readout" aria-live="polite">{escape(HINT)}</p><ul class="lc-legend">{items}</ul>'
    )


def _map(at: int) -> str:
    label = f"Map {at + 1}; arrow keys go from cell to cell"
    return _view(f"panel{at}", "lc-map", "map", f' tabindex="0" role="group" aria-label="{label}"')


def _view(name: str, style: str, spec: str, more: str = "") -> str:
    return f'<div class="lc-view {style}" data-name="{name}" data-spec="{spec}"{more}></div>'


def _seeds(at: int, source: Source) -> list[tuple[str, str]]:
    """What a map can show of a source: choice and text."""
    single = [(f"{at}/{seed}", f"seed {seed}") for seed in maps.seeds_of(source)]
    return [(f"{at}/{maps.ALL}", "all seeds"), *single]


def _select(name: str, label: str, options: Options, chosen: str) -> str:
    return f'<label><span>{escape(label)}</span><select name="{name}">{_options(options, chosen)}</select></label>'


def _options(options: Options, chosen: str) -> str:
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options
    )


def _tasks_with(data: Mapping[str, dict], choices: Sequence[str]) -> list[str]:
    """Tasks that have a map for at least one of `choices`, those with most first."""
    counts: dict[str, int] = {}
    for name, found in data.items():
        at, task, _, seed = name.split("/")
        counts[task] = counts.get(task, 0) + (found["kind"] != "gap" and f"{at}/{seed}" in choices)
    return sorted((task for task, count in counts.items() if count), key=lambda task: -counts[task])


def _first_task(data: Mapping[str, dict], choices: Sequence[str]) -> str:
    """The task that the page opens with: the first of those that fill most maps."""
    return next(iter(_tasks_with(data, choices)), next(iter(data), "//").split("/")[1])
