"use strict";
// Each chart's place holds its picture, which the drawn chart replaces.
for (const place of document.querySelectorAll("[data-chart]")) {
  const specification = JSON.parse(document.getElementById(place.dataset.chart).textContent);
  const picture = place.innerHTML;
  vegaEmbed(place, specification, { renderer: "svg", actions: false }).catch(() => { place.innerHTML = picture; });
}
for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: copy it with your keyboard";
    }
  });
}
// A table that goes on says so, on phones too, which show no bar to scroll with.
for (const note of document.querySelectorAll(".more")) {
  const table = note.nextElementSibling;
  const look = () => {
    const beside = table.scrollWidth > table.clientWidth + 1, below = table.scrollHeight > table.clientHeight + 1;
    const where = [beside && "to the right", below && "below"].filter(Boolean).join(" and ");
    note.hidden = !where;
    note.textContent = where && `This table goes on ${where}: scroll in it.`;
  };
  new ResizeObserver(look).observe(table);
}
// A click on a node of the picture opens its numbers.
const open = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", open);
open();
