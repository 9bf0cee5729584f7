"""The charts as HTML: a form, places that Vega draws into, and the data; charts.js does the rest in the built book.

Without scripts, on paper and in an editor of notebooks the still picture beside them is what is seen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from IPython.display import HTML

from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.tasks.glue import shown_task

from ..sources import Source
from . import maps, specs

HINT = "Point at a head or an MLP, or go there with the arrow keys: its values, and the tasks and seeds that keep it."
NOTE = "In the built book, where scripts run, these maps answer to pointer and keys."
PANELS = ("left map", "right map")
KEYS = {
    "importance": "importance, from none to the step's largest",
    "kept": "share of seeds or of weights, 0 to 100\N{NO-BREAK SPACE}%",
    "next": "goes at the next step",
    "out": "\N{MIDDLE DOT} removed, \N{MULTIPLICATION SIGN} at this step",
    "good": "good subnetwork",
    "failed": "below the target",
    "first": "left map: score; heads or weights left",
    "second": "right map",
    "mlps": "MLPs left",
    "phases": "1, 2, 3: heads and MLPs together, heads alone, MLPs alone",
}
ESCAPED = "\\u003c"  # for "<", so that no text ends the script element
STEPS = (
    '<div class="lc-steps lc-searching"><button type="button" class="lc-play">\N{BLACK RIGHT-POINTING TRIANGLE} play'
    '</button><input type="range" name="step" min="0" max="0" value="0" aria-label="step of the search">'
    '<button type="button" class="lc-good">\N{BLACK DIAMOND} good subnetwork</button></div>'
)


def explorer(sources: Sequence[Source], figure: str) -> HTML:
    """Searches step by step: any seed of any source beside another, or beside the share over a source's seeds.

    `sources` as from `sources.three_sources`, or more. `figure` names the still picture on the page, whose place the
    chart takes on the screen. The page's address then holds the choices, and opens them again.
    """
    data = maps.all_maps(sources, tuple(METHOD_NAMES))
    name, text = escape(figure), json.dumps(_content(sources, data), separators=(",", ":"), allow_nan=False)
    return HTML(
        f'<div class="lottery-chart" id="{name}-chart" data-figure="{name}">\n<p class="lc-note">{escape(NOTE)}</p>\n'
        f"{_form(sources, data)}{_views()}\n"
        f'<script type="application/json">{text.replace("<", ESCAPED)}</script>\n</div>'
    )


def _content(sources: Sequence[Source], data: Mapping[str, dict]) -> dict:
    """What charts.js draws."""
    published = [at for at, source in enumerate(sources) if source.kind == "published"]
    return {
        "specs": specs.specifications(),
        "colours": specs.COLOURS,
        "maps": data,
        "missing": maps.nothing([], maps.NOTHING),
        "names": maps.component_names(data),
        "keepers": [maps.keepers(data, at, source) for at, source in enumerate(sources)],
        "published": f"{published[0] if published else 'none'}/{maps.ALL}",
        "hint": HINT,
    }


def _form(sources: Sequence[Source], data: Mapping[str, dict]) -> str:
    """The choices: task, method, what each map shows, and the step; it opens with a task that most maps have."""
    tasks = {task: shown_task(task).title for source in sources for task in maps.tasks_of(source)}
    seeds = {}  # what a map can show: number of the source and seed
    for at, source in enumerate(sources):
        of_source = {maps.ALL: "all seeds"} | {seed: f"seed {seed}" for seed in maps.seeds_of(source)}
        seeds |= {f"{at}/{seed}": f"{source.name}, {text}" for seed, text in of_source.items()}
    filled = [name.split("/") for name, shown in data.items() if shown["kind"] != "gap"]
    single = {f"{at}/{seed}" for at, _, _, seed in filled if seed != maps.ALL}
    starts = next((choice for choice in seeds if choice in single), list(seeds)[-1]), next(iter(seeds))
    counts = Counter(task for at, task, _, seed in filled if f"{at}/{seed}" in starts)
    task = max(counts, key=counts.get, default=next(iter(tasks), ""))
    fields = [_select("task", "task", tasks, task), _select("method", "method", METHOD_NAMES, next(iter(METHOD_NAMES)))]
    fields += [_select(f"panel{at}", PANELS[at], seeds, start) for at, start in enumerate(starts)]
    return f'<form class="lc-choices" aria-label="What the maps show">{"".join([*fields, STEPS])}</form>'


def _select(name: str, label: str, options: Mapping[str, str], chosen: str) -> str:
    items = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options.items()
    )
    return f'<label><span>{escape(label)}</span><select name="{name}">{items}</select></label>'


def _views() -> str:
    """Places that are drawn into: two maps and the curves of their searches, between lines that say what is shown."""
    view = '<div class="lc-view {}" data-name="{}" data-spec="{}"{}></div>'
    label = ' tabindex="0" role="group" aria-label="Map {}; arrow keys go from cell to cell"'
    places = [view.format("lc-map", f"panel{at}", "map", label.format(at + 1)) for at in range(len(PANELS))]
    places += [view.format("lc-searching", name, name, "") for name in ("scores", "left")]
    keys = "".join(
        f'<li><span class="lc-key lc-key-{name}" aria-hidden="true"></span>{escape(text)}</li>'
        for name, text in KEYS.items()
    )
    return (
        f'<p class="lc-said" aria-live="polite"></p><div class="lc-views">{"".join(places)}</div>'
        f'<p class="lc-readout" aria-live="polite">{escape(HINT)}</p><ul class="lc-legend">{keys}</ul>'
    )
