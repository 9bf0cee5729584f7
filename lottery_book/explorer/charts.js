// Maps of heads and MLPs in the browser: the form is the state, the address keeps it, Vega draws it (`vegaEmbed`).
// Data, specifications and the form come from Python; maps.py says what a map holds. Here, a component in its words.
function words(map, step, index) {
  const value = map.steps[step][index], isMlp = Number((index + 1) % map.columns === 0);
  if (value < 0) return value === -1 ? "removed" : "kept, in a mask that failed";
  const shown = value * (map.largest ? map.largest[step][isMlp] / 1000 : map.factor);
  const first = map.importance ? `, importance at first ${map.importance[index] / 10} % of the largest` : "";
  return `${map.before}${Number(shown.toPrecision(3))}${map.after}${first}`;
}

async function start(root) {
  const data = JSON.parse(root.querySelector("script").textContent), find = (name) => root.querySelector(`.lc-${name}`);
  const form = root.querySelector("form"), slider = form.elements.step;
  const boxes = [...root.querySelectorAll(".lc-view")], panels = boxes.filter((box) => form.elements[box.dataset.name]);
  let cursor = -1, focus = panels[0], timer = null;
  document.getElementById(root.dataset.figure)?.prepend(root); // the figure's own picture stays, for print
  root.classList.add("lc-live");
  const options = { actions: false, renderer: "svg", mode: "vega-lite", logLevel: 1, tooltip: { theme: "custom" } };
  for (const box of boxes) box.view = (await vegaEmbed(box, data.specs[box.dataset.spec], options)).view;
  const value = (name) => form.elements[name]?.value, source = (box) => value(box.dataset.name).split("/")[0];
  const mapOf = (choice) => data.maps[choice.replace("/", `/${value("task")}/${value("method")}/`)] ?? data.missing;
  const stepOf = (map) => (map.score ? Math.min(slider.value, map.score.length - 1) : 0);
  const maps = () => panels.map((box) => box.map), searches = () => maps().filter((map) => map.score);

  // A component in words, on this map and on others with its grid, the published one always among them.
  function tell(map, index) {
    const alike = new Set([map, ...maps(), mapOf(data.published)].filter((other) => other.grid === map.grid));
    const texts = [...alike].map((other) => `${other.title.join(", ")}: ${words(other, stepOf(other), index)}.`);
    return `${data.names[map.grid][index]}. ${texts.join(" ")}`;
  }

  function draw() {
    for (const { map, view, dataset } of panels) {
      const step = stepOf(map), { kind, columns } = map, state = (index) => map.states?.[step][index];
      const row = (value, index) => ({ index, value, kind, columns, state: state(index), words: tell(map, index) });
      view.signal("title", map.title).data("cells", map.steps[step].map(row));
      dataset.kind = kind;
    }
    const curves = searches().map((map, search) => ({ ...map, search, now: stepOf(map) }));
    for (const box of boxes) {
      if (!box.map) box.view.data("searches", curves);
      for (const name of data.colours) box.view.signal(name, getComputedStyle(box).getPropertyValue(`--lc-${name}`));
      box.view.resize().runAsync();
    }
    const agrees = maps()[0].agrees?.[value("panel1")] ?? "";
    find("said").textContent = [...maps().map((map) => map.said[stepOf(map)]), agrees].join(" ");
    point(focus, cursor);
  }

  // The maps that the form names; a new search opens at its good subnetwork.
  function settle(step) {
    for (const box of panels) box.map = mapOf(value(box.dataset.name));
    slider.max = Math.max(0, ...searches().map((map) => map.score.length - 1));
    slider.value = step ?? searches()[0]?.good ?? 0;
    for (const part of root.querySelectorAll(".lc-searching")) part.hidden = !searches().length;
    draw();
  }

  function open() {
    const [name, query] = location.hash.slice(1).split("?"), asked = new URLSearchParams(name === root.id ? query : "");
    for (const [key, choice] of asked) if (form.elements[key]) form.elements[key].value = choice;
    settle(asked.get("step"));
    if (asked.has("task")) root.scrollIntoView();
  }

  function play(going) {
    clearInterval(timer);
    if (going && slider.value === slider.max) slider.value = 0;
    timer = going ? setInterval(() => { slider.stepUp(); draw(); play(slider.value !== slider.max); }, 800) : null;
    find("said").ariaLive = going ? "off" : "polite";
    find("play")?.replaceChildren(going ? "❚❚ pause" : "▶ play");
  }

  function point(box, index) {
    [cursor, focus] = [index, box];
    for (const { view } of panels) view.signal("cursor", cursor).runAsync();
    const by = data.keepers?.[source(box)][index], kept = by ? ` Good subnetworks with it, ${box.map.title[0]}: ${by}.` : "";
    find("readout").textContent = index in box.map.steps[0] ? tell(box.map, index) + kept : data.hint;
  }
  form.addEventListener("input", (event) => {
    play(false);
    if (event.target === slider) draw(); else settle();
    history.replaceState(null, "", `#${root.id}?${new URLSearchParams(new FormData(form))}`);
  });
  find("play")?.addEventListener("click", () => play(!timer));
  find("good")?.addEventListener("click", () => settle());
  for (const box of panels) {
    box.view.addEventListener("pointerover", (event, item) => point(box, item?.datum?.index ?? -1));
    box.addEventListener("keydown", (event) => {
      const up = box.map.columns, by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: up, ArrowDown: -up }[event.key];
      if (by) event.preventDefault();
      if (cursor + by in box.map.steps[0]) point(box, cursor + by);
    });
  }
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  new ResizeObserver(() => dispatchEvent(new Event("resize"))).observe(root); // Vega then measures its places anew
  addEventListener("hashchange", open);
  open();
}
document.querySelectorAll(".lottery-chart").forEach(start);
