// Drawing: the map of heads and MLPs, and the curve of the score, as SVG. Colours and theme are in explorer.css.

const PHASE_TITLES = ["", "both", "heads", "MLPs", "heads", "MLPs"];
const SVG = "http://www.w3.org/2000/svg";

function node(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Thousandths, each written as two digits to the base 36.
function parts(text) {
  return (text.match(/../g) || []).map((two) => parseInt(two, 36));
}

function percent(thousandths) {
  return `${(thousandths / 10).toFixed(thousandths < 100 ? 1 : 0)} %`;
}

// The components of a search at a step: layer, head (null for an MLP), kept, gone (just now), next, share (0 to 1,
// for the colour), value (text) and rank. A search goes on from the last mask that passed, not from one that failed.
function components(search, step) {
  const structured = "heads" in search;
  const found = [];
  for (const kind of ["head", "mlp"]) {
    const count = search.layers * (kind === "head" ? search.width : 1);
    const values = parts(search[`${kind}_values`][step]);
    const bits = structured ? search[`${kind}s`] : null;
    const base = structured && step > 0 ? bits[search.passed.lastIndexOf("1", step - 1)] : null;
    const next = structured && search.passed[step] === "1" && step + 1 < bits.length ? bits[step + 1] : null;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const one = kind === "head" ? { layer: Math.floor(i / search.width), head: i % search.width } : { layer: i, head: null };
      one.kept = !structured || bits[step][i] === "1";
      one.gone = !one.kept && base !== null && base[i] === "1";
      one.next = one.kept && next !== null && next[i] === "0";
      one.share = 0;
      one.known = values.length > 0;
      if (one.kept && one.known) {
        const part = values[structured ? at++ : i];
        one.share = part / 1000;
        one.value = structured ? (one.share * search[`${kind}_top`][step]).toPrecision(3) : percent(part);
        if (structured) one.rank = `${1 + values.filter((other) => other > part).length} of ${values.length}`;
      }
      found.push(one);
    }
  }
  return found;
}

function nameOf(one) {
  return `layer ${one.layer + 1}, ${one.head === null ? "MLP" : `head ${one.head + 1}`}`;
}

// A component in words, for the line below the map and for screen readers.
function describe(one, structured) {
  if (!structured) return `${nameOf(one)}: ${one.value} of its weights kept`;
  if (!one.kept) return `${nameOf(one)}: ${one.gone ? "removed at this step" : "removed before"}`;
  if (!one.known) return `${nameOf(one)}: kept; this mask failed, so its importance was not computed`;
  const rank = `importance ${one.value}, number ${one.rank} ${one.head === null ? "MLPs" : "heads"} left`;
  return `${nameOf(one)}: kept, ${rank}${one.next ? "; goes at the next step" : ""}`;
}

// Draw the map into `place`: heads as a grid, MLPs as a wider column at its right, layer 1 at the bottom.
// `focus` is the index of the cell that the tab key reaches; `told` hears which component is pointed at.
function drawMap(place, search, step, focus, told) {
  const structured = "heads" in search;
  const left = 46, top = 4, bottom = 36, gap = 0.4, mlp = 1.5;
  const width = Math.max(240, Math.min(place.clientWidth || 480, 560));
  const cell = Math.min(46, (width - left - 2) / (search.width + gap + mlp));
  const right = left + cell * (search.width + gap + mlp);
  const height = top + cell * search.layers + bottom;
  const label = `Heads and MLPs at step ${step}; arrow keys go from cell to cell`;
  const svg = node("svg", { viewBox: `0 0 ${right + 2} ${height}`, width: right + 2, height, role: "group", "aria-label": label });
  components(search, step).forEach((one, index) => {
    const x = left + cell * (one.head === null ? search.width + gap : one.head);
    const y = top + cell * (search.layers - 1 - one.layer);
    const wide = one.head === null ? cell * mlp : cell;
    const state = one.kept ? (one.share < 0.5 ? "lx-lower" : "lx-upper") : "lx-out";
    const group = node("g", {
      class: `lx-cell ${state}${one.next ? " lx-next" : ""}${one.gone ? " lx-gone" : ""}`,
      role: "img", tabindex: index === focus ? 0 : -1, "aria-label": describe(one, structured), "data-index": index,
    });
    if (one.kept) group.style.setProperty("--lx-at", `${100 * (one.share < 0.5 ? 2 * one.share : 2 * one.share - 1)}%`);
    group.append(node("rect", { x: x + 1.5, y: y + 1.5, width: wide - 3, height: cell - 3, rx: 2 }));
    if (one.gone) {
      const [cx, cy, arm] = [x + wide / 2, y + cell / 2, cell * 0.22];
      const cross = `M${cx - arm} ${cy - arm}l${2 * arm} ${2 * arm}M${cx + arm} ${cy - arm}l${-2 * arm} ${2 * arm}`;
      group.append(node("path", { d: cross }));
    }
    if (!structured && cell >= 17) {
      const text = node("text", { x: x + wide / 2, y: y + cell / 2, "text-anchor": "middle", "dominant-baseline": "central" });
      if (one.share > 0.57) text.classList.add("lx-bright"); // where the dark page's colours get light
      if (one.share > 0.75) text.classList.add("lx-strong"); // where the light page's get dark
      if (cell < 24) text.classList.add("lx-small");
      text.append(Math.round(100 * one.share));
      group.append(text);
    }
    for (const event of ["pointerenter", "focus", "click"]) group.addEventListener(event, () => told(index, event));
    svg.append(group);
  });
  const axis = (x, y, text, anchor) => svg.append(node("text", { x, y, class: "lx-axis", "text-anchor": anchor }, text));
  for (let layer = 0; layer < search.layers; layer++) {
    axis(left - 6, top + cell * (search.layers - layer - 0.5) + 4, String(layer + 1), "end");
  }
  const every = cell < 20 ? 2 : 1;
  const below = top + cell * search.layers;
  for (let head = 0; head < search.width; head += every) axis(left + cell * (head + 0.5), below + 14, String(head + 1), "middle");
  axis(left + cell * (search.width + gap + mlp / 2), below + 14, "MLP", "middle");
  axis(left + (cell * search.width) / 2, below + 30, "head", "middle");
  const middle = top + (cell * search.layers) / 2;
  svg.append(node("text", { class: "lx-axis", "text-anchor": "middle", transform: `translate(12 ${middle}) rotate(-90)` }, "layer"));
  place.replaceChildren(svg);
}

// Shares left, in percent, at every step: lines of the curve's lower part.
function sharesLeft(search) {
  if (!("heads" in search)) return [{ name: "weights", values: parts(search.share).map((part) => part / 10) }];
  const left = (bits) => (100 * (bits.split("1").length - 1)) / bits.length;
  return [
    { name: "heads", values: search.heads.map(left) },
    { name: "MLPs", values: search.mlps.map(left) },
  ];
}

// The phases of a structured search: number, first and last step; the full model is in none.
function phasesOf(search) {
  const found = [];
  (search.phase || []).forEach((phase, at) => {
    if (phase === 0) return;
    const last = found[found.length - 1];
    if (last && last.phase === phase) last.last = at;
    else found.push({ phase, first: at, last: at });
  });
  return found;
}

// Round numbers that divide a range in a few steps.
function ticks(low, high, wanted) {
  const rough = (high - low) / wanted;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const size = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
  const found = [];
  for (let at = Math.ceil(low / size - 1e-9); at * size <= high + 1e-9; at++) found.push(at * size);
  return found.map((value) => Number(value.toPrecision(6)));
}

// Draw the score over the steps with its target, and below it what is left; `go` hears which step is clicked.
function drawCurve(place, search, step, threshold, go) {
  const width = Math.max(240, Math.min(place.clientWidth || 420, 560));
  const [left, right, upper, between, lower, foot] = [46, 10, 190, 16, 80, 34];
  const count = search.score.length, height = upper + between + lower + foot + 18;
  const x = (at) => left + 8 + ((width - left - right - 16) * at) / Math.max(1, count - 1);
  const values = [...search.score, search.target];
  const spread = Math.max(...values) - Math.min(...values) || 0.1;
  const [low, high] = [Math.min(...values) - 0.1 * spread, Math.max(...values) + 0.1 * spread];
  const y = (value) => 14 + (upper * (high - value)) / (high - low);
  const z = (share) => 14 + upper + between + lower * (1 - share / 100);
  const now = `step ${step} has ${search.score[step].toFixed(3)}, the target is ${search.target.toFixed(3)}`;
  const label = `Score at each of ${count} steps; ${now}`;
  const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  const add = (name, attributes, ...children) => svg.append(node(name, attributes, ...children));
  const line = (x1, y1, x2, y2, style) => add("line", { x1, y1, x2, y2, class: style });
  const half = (x(1) - x(0)) / 2;
  for (const { phase, first, last } of phasesOf(search)) {
    const [from, wide] = [x(first) - half, x(last) - x(first) + 2 * half];
    if (phase % 2 === 0) add("rect", { x: from, y: 14, width: wide, height: upper + between + lower, class: "lx-phase" });
    if (wide > 44) add("text", { x: from + wide / 2, y: 10, class: "lx-axis", "text-anchor": "middle" }, PHASE_TITLES[phase]);
  }
  add("text", { x: 0, y: 9, class: "lx-axis" }, "dev score");
  add("text", { x: 0, y: z(100) - 8, class: "lx-axis" }, "left");
  for (const value of ticks(low, high, 4)) {
    line(left, y(value), width - right, y(value), "lx-grid");
    add("text", { x: left - 6, y: y(value) + 4, class: "lx-axis", "text-anchor": "end" }, String(value));
  }
  for (const share of [0, 50, 100]) {
    line(left, z(share), width - right, z(share), "lx-grid");
    add("text", { x: left - 6, y: z(share) + 4, class: "lx-axis", "text-anchor": "end" }, `${share} %`);
  }
  for (const at of ticks(0, Math.max(1, count - 1), 6)) {
    if (Number.isInteger(at)) add("text", { x: x(at), y: z(0) + 16, class: "lx-axis", "text-anchor": "middle" }, String(at));
  }
  add("text", { x: (left + width - right) / 2, y: z(0) + 32, class: "lx-axis", "text-anchor": "middle" }, "step");
  line(left, y(search.target), width - right, y(search.target), "lx-target");
  line(x(step), 14, x(step), z(0), "lx-now");
  const plain = Math.abs(search.target - threshold * search.score[0]) < 2e-4; // else it is above the majority score
  const said = plain ? `target, ${Math.round(100 * threshold)} % of full` : "target";
  add("text", { x: left + 4, y: y(search.target) - 5, class: "lx-axis lx-halo" }, said);
  const passed = [...search.passed].map((bit, at) => (bit === "1" ? at : -1)).filter((at) => at >= 0);
  add("polyline", { points: passed.map((at) => `${x(at)},${y(search.score[at])}`).join(" "), class: "lx-score" });
  sharesLeft(search).forEach(({ name, values: shares }) => {
    add("polyline", { points: shares.map((share, at) => `${x(at)},${z(share)}`).join(" "), class: `lx-left lx-${name}` });
  });
  search.score.forEach((score, at) => {
    const [cx, cy] = [x(at), y(score)];
    if (at === search.good) add("path", { d: `M${cx} ${cy - 7}l7 7l-7 7l-7 -7z`, class: "lx-good" });
    else if (search.passed[at] === "1") add("circle", { cx, cy, r: 3.2, class: "lx-pass" });
    else add("path", { d: `M${cx - 4} ${cy - 4}l8 8M${cx + 4} ${cy - 4}l-8 8`, class: "lx-fail" });
  });
  add("circle", { cx: x(step), cy: y(search.score[step]), r: 10, class: "lx-ring" });
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) * width) / box.width;
    go(Math.round(((at - x(0)) / (x(Math.max(1, count - 1)) - x(0))) * (count - 1)));
  });
  place.replaceChildren(svg);
}
