// Two things a style sheet cannot do: print what is folded, and give a wide table the room it needs.

// On paper nothing can be opened, so everything is; afterwards it is as it was.
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach((fold) => (fold.open = true));
});
window.addEventListener("afterprint", () => opened.forEach((fold) => (fold.open = false)));

// A table that is wider than its column first breaks its lines, then takes smaller type, then the free margin; else it scrolls.
function fit(table) {
  const box = table.closest(".cell_output, .pst-scrollable-table-container, .output") ?? table.parentElement;
  const place = table.closest(".sd-tab-content, .text_html, .pst-scrollable-table-container") ?? box;
  const cut = () => place.scrollWidth > place.clientWidth + 1;
  table.classList.remove("fit-lines", "fit-small");
  box.classList.remove("fit-margin");
  for (const step of ["fit-lines", "fit-small"]) {
    if (cut()) table.classList.add(step);
  }
  if (cut()) box.classList.add("fit-margin");
}

const tables = () => document.querySelectorAll(".bd-article table");
const fitAll = () => tables().forEach(fit);
window.addEventListener("load", fitAll);
window.addEventListener("resize", fitAll);
document.addEventListener("change", fitAll); // another tab: a table that is hidden has no width to fit
document.addEventListener("toggle", fitAll, true); // the same of what is folded
