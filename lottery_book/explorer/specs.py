"""How the charts look: Vega-Lite specifications, without data and with names for colours, both supplied by the page.

Colours are parameters that charts.js sets from the custom properties of charts.css, so a chart follows the page from
light to dark. It fills `cells` with the cells of a map and `searches` with the maps that are searches, one row each.
"""

from __future__ import annotations

import altair as alt

from .searches import GONE, NEXT, REMOVED

COLOURS = ("ink", "muted", "faint", "line", "paper", "low", "mid", "high", "loss", "first", "second")  # --lc-NAME
MAP, SCORES, SHARES = 252, 170, 70  # heights in pixels: the map, the scores, what is left
STEP = {"axis": alt.Axis(tickMinStep=1, grid=False, format="d"), "scale": alt.Scale(nice=False, padding=8)}
NUMBER = "datum.kind === 'weights' ? format(100 * datum.share, '.0f') : ''"
LIGHT = "contrast(scale('color', datum.share), ink) > contrast(scale('color', datum.share), paper)"
EVERY_OTHER = (
    "bandwidth('x') > 15 || datum.label === 'MLP' || datum.value % 2 ? datum.label : ''"  # where cells are narrow
)


def specifications() -> dict[str, dict]:
    """The charts by name: the "map" of heads and MLPs, the "scores" of searches, what is "left" at each step."""
    return {"map": _dressed(_map()), "scores": _dressed(_scores()), "left": _dressed(_left())}


def _map() -> alt.LayerChart:
    """Heads as a grid, MLPs at their right, layer 1 at the bottom; what is removed is an empty cell with a dot."""
    columns = alt.Axis(labelAngle=0, labelOverlap=False, labelExpr=EVERY_OTHER)
    base = (
        alt.Chart(alt.NamedData("cells"), height=MAP)
        .transform_calculate(
            layer="1 + floor(datum.index / datum.columns)",
            at="1 + datum.index % datum.columns",
            column="datum.at < datum.columns ? datum.at : 'MLP'",
            share="datum.value / 1000",
            label=f"datum.value === {REMOVED} ? '\N{MIDDLE DOT}' : {NUMBER}",
        )
        .encode(
            x=alt.X("column:N", sort=None, title="head", axis=columns),
            y=alt.Y("layer:O", sort="descending", title="layer"),
            tooltip="words:N",
        )
    )
    ramp = alt.Scale(domain=[0, 0.5, 1], range=[alt.expr(name) for name in ("low", "mid", "high")], interpolate="rgb")
    removed, pointed = f"datum.value === {REMOVED}", "datum.index === cursor"
    marked = f"indexof(['{NEXT}', '{GONE}'], datum.state) >= 0"
    cell = base.mark_rect(stroke=alt.expr("faint")).encode(
        color=alt.when(removed).then(alt.value("transparent")).otherwise(alt.Color("share:Q", scale=ramp, legend=None)),
        stroke=alt.when(pointed).then(_ink("ink")).when(marked).then(_ink("loss")),
        strokeWidth=alt.when(f"{pointed} || datum.state === '{NEXT}'").then(alt.value(3)).otherwise(alt.value(1)),
        description="words:N",
    )
    number = base.mark_text(aria=False, fontSize=9).encode(
        text="label:N", color=alt.when(f"{removed} || {LIGHT}").then(_ink("ink")).otherwise(_ink("paper"))
    )
    cross = base.transform_filter(f"datum.state === '{GONE}'").mark_text(aria=False, fontSize=14)
    cross = cross.encode(text=alt.value("\N{MULTIPLICATION SIGN}"), color=_ink("loss"))
    title = alt.TitleParams(
        alt.expr("title"), anchor="start", frame="bounds", fontSize=12, fontWeight="normal", lineHeight=16
    )
    chart = alt.layer(cell, number, cross).properties(title=title, description="Map of heads and MLPs")
    return chart.add_params(alt.param("cursor", value=-1), alt.param("title", value=""))


def _scores() -> alt.LayerChart:
    """The score at each step, the target dashed, the good subnetwork a diamond, failed masks crosses, phases shaded."""
    searches = alt.Chart(alt.NamedData("searches"))
    x = alt.X("step:Q", title=None, **STEP)
    y = alt.Y("score:Q", title="dev score", scale=alt.Scale(zero=False, padding=8))
    colour = alt.Color("search:N", scale=_lines(), legend=None)
    phases = searches.transform_filter("datum.search === 0").transform_flatten(["phases"])
    phases = phases.transform_calculate(
        **{name: f"datum.phases.{name}" for name in ("first", "last", "middle", "number")}
    )
    shade = phases.transform_filter("datum.number % 2 === 0").mark_rect(aria=False, opacity=0.6)
    shade = shade.encode(x="first:Q", x2="last:Q", color=_ink("faint"))
    number = phases.mark_text(aria=False, baseline="top", dy=2)
    number = number.encode(x="middle:Q", y=alt.value(0), text="number:N", color=_ink("muted"))
    target = searches.transform_calculate(words="'target ' + format(datum.target, '.3f')")
    target = target.mark_rule(strokeDash=[6, 4], strokeWidth=1.5)
    target = target.encode(y="target:Q", color=colour, description="words:N", tooltip="words:N")
    steps = searches.transform_flatten(["step", "score", "state", "said"])
    line = steps.transform_filter("datum.state !== 'failed'").mark_line(aria=False).encode(x=x, y=y, color=colour)
    shapes = alt.Scale(domain=["passed", "failed", "good"], range=["circle", "cross", "diamond"])
    dots = steps.mark_point(filled=True, opacity=1).encode(
        x=x,
        y=y,
        color=alt.when("datum.state === 'failed'").then(_ink("loss")).otherwise(colour),
        angle=alt.when("datum.state === 'failed'").then(alt.value(45)).otherwise(alt.value(0)),
        shape=alt.Shape("state:N", scale=shapes, legend=None),
        size=alt.when("datum.state === 'good'").then(alt.value(140)).otherwise(alt.value(50)),
        description="said:N",
        tooltip="said:N",
    )
    ring = steps.transform_filter("datum.step === datum.now").mark_point(size=330, strokeWidth=2, aria=False)
    ring = ring.encode(x=x, y=y, color=_ink("ink"))
    return alt.layer(shade, number, target, line, dots, ring).properties(
        height=SCORES, description="Score at each step"
    )


def _left() -> alt.LayerChart:
    """Shares of heads and MLPs, or of weights, that are left at each step."""
    steps = (
        alt.Chart(alt.NamedData("searches"))
        .transform_flatten(["left"])
        .transform_calculate(what="datum.left.what", share="datum.left.share")
        .transform_flatten(["step", "share"])
    )
    dashes = alt.Scale(domain=["heads", "weights", "MLPs"], range=[[1, 0], [1, 0], [5, 3]])
    x, y = alt.X("step:Q", **STEP), alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), title="left")
    y = y.axis(format="%", values=[0, 0.5, 1])
    line = steps.mark_line(aria=False).encode(
        x=x, y=y, color=alt.Color("search:N", scale=_lines(), legend=None), detail="what:N"
    )
    line = line.encode(strokeDash=alt.StrokeDash("what:N", scale=dashes, legend=None))
    now = steps.transform_filter("datum.step === datum.now").mark_rule(aria=False).encode(x=x, color=_ink("line"))
    return alt.layer(now, line).properties(height=SHARES, description="What is left at each step")


def _dressed(chart: alt.LayerChart) -> dict:
    """The chart as a dictionary: as wide as its place, in the page's colours, without a ground of its own."""
    chart = chart.add_params(*[alt.param(name, value="gray") for name in COLOURS])
    chart = chart.properties(width="container")
    chart = chart.configure(background="transparent", font="inherit", view={"stroke": None}, padding=5)
    text, rule = alt.expr("muted"), alt.expr("line")
    chart = chart.configure_axis(
        labelColor=text,
        titleColor=text,
        domainColor=rule,
        tickColor=rule,
        gridColor=alt.expr("faint"),
        titleFontWeight="normal",
        labelFontSize=11,
    )
    spec = chart.configure_axisLeft(minExtent=36).configure_title(color=alt.expr("ink")).to_dict()
    del spec["$schema"]  # an address, which nothing needs
    return spec


def _ink(name: str) -> dict:
    return alt.value(alt.expr(name))


def _lines() -> alt.Scale:
    return alt.Scale(domain=[0, 1], range=[alt.expr("first"), alt.expr("second")])
