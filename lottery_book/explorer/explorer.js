// The explorer: choices, the slider over a search's steps, and what they change. Drawing is in explorer_draw.js.

const PHASES = ["full model", "heads and MLPs together", "heads alone, half steps", "MLPs alone", "heads", "MLPs"];
const SECONDS_A_STEP = 0.8;

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Keys of the steps legend; each is a small drawing of a cell or of a mark.
function legend(structured) {
  const cells = structured
    ? [["lx-ramp lx-importance", "importance, from none to the step's largest (heads and MLPs each)"],
       ["lx-key lx-key-next", "goes at the next step"], ["lx-key lx-key-out", "removed (× at this step)"]]
    : [["lx-ramp lx-kept", "share of weights kept, 0 to 100 % (numbers: %)"]];
  const curve = [["lx-mark lx-mark-good", "good subnetwork"], ["lx-mark lx-mark-fail", "below the target"]];
  curve.push(["lx-dash lx-heads", structured ? "heads left" : "weights left"]);
  if (structured) curve.push(["lx-dash lx-mlps", "MLPs left"]);
  const key = (style) => element("span", { class: style, "aria-hidden": "true" });
  return [...cells, ...curve].map(([style, text]) => element("li", {}, key(style), text));
}

function start(root) {
  root.dataset.ready = "true";
  const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const state = { study: 0, task: null, method: null, seed: null, step: 0, focus: 0 };
  let timer = null, touched = false;

  const choice = {};
  const chosen = (name, title) => {
    choice[name] = element("select", { "aria-label": title });
    choice[name].addEventListener("change", () => {
      stop();
      state[name] = name === "study" ? Number(choice.study.value) : choice[name].value;
      settle(true);
    });
    return element("label", {}, element("span", {}, title), choice[name]);
  };
  const choices = element("div", { class: "lx-choices" },
    chosen("study", "run"), chosen("task", "task"), chosen("method", "method"), chosen("seed", "seed"));
  const button = (text, label, act) => {
    const made = element("button", { type: "button", "aria-label": label }, text);
    made.addEventListener("click", act);
    return made;
  };
  const play = button("▶ play", "play the search", () => (timer === null ? run() : stop()));
  const back = button("−", "one step back", () => { stop(); go(state.step - 1); });
  const ahead = button("+", "one step on", () => { stop(); go(state.step + 1); });
  const good = button("◆ good", "go to the good subnetwork", () => { stop(); go(current().good); });
  const slider = element("input", { type: "range", min: "0", step: "1", "aria-label": "step of the search" });
  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  const steps = element("div", { class: "lx-steps" }, play, back, slider, ahead, good);
  const status = element("p", { class: "lx-status", "aria-live": "polite" });
  const map = element("div", { class: "lx-map" });
  const curve = element("div", { class: "lx-curve" });
  const readout = element("p", { class: "lx-readout" });
  const keys = element("ul", { class: "lx-legend" });
  const panels = element("div", { class: "lx-panels" }, map, curve);
  const shown = element("div", { class: "lx-shown" }, steps, status, panels, readout, keys);
  const gap = element("p", { class: "lx-gap", role: "status" });
  root.querySelector(".lx-place").replaceChildren(choices, shown, gap);

  const study = () => data.studies[state.study];
  const current = () => study().searches[`${state.task}/${state.method}/${state.seed}`];

  function fill(name, options) {
    const values = options.map(([value]) => String(value));
    if (!values.includes(String(state[name]))) state[name] = values[0];
    choice[name].replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    choice[name].value = String(state[name]);
  }

  // Bring choices and slider in step with the state; a new search opens at its good subnetwork.
  function settle(fresh) {
    const { tasks, methods, seeds, searches } = study();
    fill("study", data.studies.map((one, index) => [index, one.name]));
    state.study = Number(state.study);
    fill("method", methods.map((method) => [method, data.methods[method]]));
    fill("seed", seeds.map((seed) => [seed, String(seed)]));
    const gone = (task) => {
      const search = searches[`${task}/${state.method}/${state.seed}`];
      return !search || "gap" in search;
    };
    if (state.task === null) state.task = (tasks.find(([task]) => !gone(task)) || tasks[0])[0];
    fill("task", tasks.map(([task, title]) => [task, gone(task) ? `${title} (gap)` : title]));
    const search = current() || { gap: "This search is not part of the run." };
    shown.hidden = "gap" in search;
    gap.hidden = !shown.hidden;
    if (shown.hidden) {
      gap.textContent = `Nothing to draw. ${search.gap}`;
      return;
    }
    slider.max = search.score.length - 1;
    keys.replaceChildren(...legend("heads" in search));
    root.dataset.method = state.method;
    if (fresh) [state.step, state.focus, touched] = [search.good, 0, false];
    draw();
  }

  function draw() {
    const search = current();
    const focused = document.activeElement && map.contains(document.activeElement);
    slider.value = state.step;
    const words = statusOf(search, state.step);
    slider.setAttribute("aria-valuetext", words);
    status.textContent = words;
    drawMap(map, search, state.step, state.focus, (index, event) => {
      if (event !== "pointerenter") state.focus = index;
      tell(index);
    });
    drawCurve(curve, search, state.step, study().threshold, (step) => { stop(); go(step); });
    readout.textContent = "Point at a cell, or reach it with tab and the arrow keys, to read its values.";
    if (focused) cellAt(state.focus).focus();
  }

  const cellAt = (index) => map.querySelector(`[data-index="${index}"]`);

  function tell(index) {
    const search = current();
    const text = describe(components(search, state.step)[index], "heads" in search);
    readout.textContent = text[0].toUpperCase() + text.slice(1) + ".";
  }

  function go(step) {
    touched = true;
    state.step = Math.max(0, Math.min(current().score.length - 1, step));
    draw();
  }

  function run() {
    if (!touched || state.step === current().score.length - 1) go(0);
    play.textContent = "❚❚ pause";
    play.setAttribute("aria-label", "pause");
    status.setAttribute("aria-live", "off");
    timer = setInterval(() => {
      go(state.step + 1);
      if (state.step === current().score.length - 1) stop();
    }, 1000 * SECONDS_A_STEP);
  }

  function stop() {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ play";
    play.setAttribute("aria-label", "play the search");
    status.setAttribute("aria-live", "polite");
  }

  // Arrow keys go from cell to cell; a layer up is a row up.
  map.addEventListener("keydown", (event) => {
    const search = current(), heads = search.layers * search.width;
    const isMlp = state.focus >= heads;
    let layer = isMlp ? state.focus - heads : Math.floor(state.focus / search.width);
    let column = isMlp ? search.width : state.focus % search.width;
    if (event.key === "ArrowUp") layer += 1;
    else if (event.key === "ArrowDown") layer -= 1;
    else if (event.key === "ArrowRight") column += 1;
    else if (event.key === "ArrowLeft") column -= 1;
    else return;
    event.preventDefault();
    if (layer < 0 || layer >= search.layers || column < 0 || column > search.width) return;
    const old = cellAt(state.focus);
    state.focus = column === search.width ? heads + layer : layer * search.width + column;
    old.setAttribute("tabindex", -1);
    cellAt(state.focus).setAttribute("tabindex", 0);
    cellAt(state.focus).focus();
  });

  settle(true);
  if ("ResizeObserver" in window) {
    let width = root.clientWidth;
    new ResizeObserver(() => {
      if (root.clientWidth !== width && !shown.hidden) draw();
      width = root.clientWidth;
    }).observe(root);
  }
}

// One line on a step: where the search is, the score against the target, what is left.
function statusOf(search, step) {
  const score = search.score[step], passed = search.passed[step] === "1";
  const left = sharesLeft(search).map(({ name, values }) => {
    if (name === "weights") return `${values[step].toFixed(1)} % of the weights left`;
    const bits = name === "heads" ? search.heads[step] : search.mlps[step];
    return `${bits.split("1").length - 1} of ${bits.length} ${name}`;
  });
  const phase = search.phase ? ` (${PHASES[search.phase[step]]})` : step === 0 ? " (full model)" : "";
  let verdict = passed ? "at or above" : "below";
  if (step === search.good) verdict += " the target: the good subnetwork";
  else verdict += " the target";
  const last = search.score.length - 1;
  if (!passed && search.phase && step < last) {
    verdict += `; the search goes back to step ${search.passed.lastIndexOf("1", step)}`;
  }
  const what = left.join(" and ") + (search.phase ? " left" : "");
  const note = step === last && search.note ? ` Note: ${search.note}.` : "";
  return `Step ${step} of ${last}${phase}: ${what}; dev score ${score.toFixed(3)}, ${verdict}.${note}`;
}

for (const root of document.querySelectorAll(".lottery-explorer:not([data-ready])")) start(root);
