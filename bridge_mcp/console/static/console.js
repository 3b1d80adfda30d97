// What pages cannot do without a script: little, and none of it decides anything.
"use strict";

const byId = (id) => document.getElementById(id);

// On a phone the pages stand in one line that scrolls: the one that is open is in sight.
const current = document.querySelector("header nav [aria-current]");
if (current) current.scrollIntoView({ block: "nearest", inline: "center" });

// A stream that is refused: the session has ended, or the bridge.
document.addEventListener("htmx:sse:error", (event) => {
  if (event.detail && event.detail.status === 401) byId("signed-out").hidden = false;
});

// Several calls at once: the bar appears with the first one that is chosen, and goes with the last one.
function count() {
  const bar = byId("several");
  if (!bar) return;
  const chosen = document.querySelectorAll('input[form="several"]:checked').length;
  byId("chosen").textContent = String(chosen);
  bar.hidden = chosen === 0;
}
document.addEventListener("change", (event) => {
  if (event.target.getAttribute("form") === "several") count();
});

// A row that comes a second time (after a break of the stream) replaces the first.
document.addEventListener("htmx:after:swap", () => {
  const seen = new Map();
  for (const row of document.querySelectorAll("#approvals > li")) {
    if (seen.has(row.id)) seen.get(row.id).remove();
    seen.set(row.id, row);
  }
  count();
});

// Fields that matter for one choice only.
function follow(choice) {
  for (const part of document.querySelectorAll("[data-for]")) {
    if (part.dataset.name === choice.name) part.hidden = !part.dataset.for.split(" ").includes(choice.value);
  }
}
document.addEventListener("change", (event) => {
  if (event.target.matches("input[type=radio]")) follow(event.target);
});
for (const choice of document.querySelectorAll("input[type=radio]:checked")) follow(choice);

// The composer: Enter sends, and what was sent is cleared once the bridge has it.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !event.target.matches("textarea[data-enter]")) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});
document.addEventListener("htmx:after:request", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.matches("[data-reset]")) return;
  if (event.detail.ctx.response && event.detail.ctx.response.status === 204) {
    form.reset();
    byId("unsent").replaceChildren();
  }
});
