// Adds to the page of a disagreement: both sides' evidence in the interview, and keys.
// The form works without it.

import { leadIn } from "./interview.js";
import { listen } from "./keys.js";
import { lookOn, showOpinions } from "./opinions.js";

const form = document.getElementById("ruling");
const why = document.getElementById("why");
const turns = [...document.querySelectorAll("#turns > li")];

showOpinions();

// Of one answer in its interview: have it in sight, with what was asked before it.
if (turns.some((turn) => turn.classList.contains("around"))) leadIn()?.scrollIntoView({ block: "start", behavior: "instant" });

/** Choose a verdict and go on to its reason. */
function choose(radio) {
  if (!radio) return false;
  radio.checked = true;
  why.focus();
  return true;
}

const value = document.getElementById("value");
value?.addEventListener("input", () => { form.querySelector('input[name="said"][value="yes"]').checked = true; });
for (const button of form.querySelectorAll(".take")) {
  if (!Number.isFinite(Number(button.dataset.value))) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    value.value = button.dataset.value;
    choose(form.querySelector('input[name="said"][value="yes"]'));
  });
}

function stepTurn(by) {
  const here = turns.indexOf(document.activeElement.closest("#turns > li"));
  const next = turns[Math.min(Math.max(here + by, 0), turns.length - 1)];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "center" });
}

const act = {
  yes: () => choose(form.querySelector('[data-act="yes"]')),
  no: () => choose(form.querySelector('[data-act="no"]')),
  unsure: () => choose(form.querySelector('[data-act="unsure"]')),
  previous_evidence: () => lookOn(-1),
  next_evidence: () => lookOn(1),
  next_turn: () => stepTurn(1),
  previous_turn: () => stepTurn(-1),
  translation: () => {
    const buttons = [...document.querySelectorAll('.translations [name="show"]')];
    const shown = document.getElementById("translated-by");
    (shown ? buttons.at(-1) : buttons[0])?.click(); // the last one leads back to the original alone
    return buttons.length > 0;
  },
  skip: () => { document.getElementById("next").click(); },
};
listen(JSON.parse(form.dataset.keys), {
  act: (name) => (act[name] ? act[name]() : false),
  digit: (number) => {
    const chosen = form.querySelector(`[data-digit="${number}"]`);
    if (!chosen || chosen.hidden) return false;
    if (chosen.type === "radio") return choose(chosen);
    chosen.click();
    return true;
  },
  help: () => { document.getElementById("key-help").scrollIntoView({ block: "center" }); return true; },
});
form.addEventListener("submit", (event) => {
  if ("sent" in form.dataset) event.preventDefault(); // two clicks are one ruling
  form.dataset.sent = "";
});
window.addEventListener("pageshow", () => { delete form.dataset.sent; });
document.getElementById("key-help").hidden = false;
document.getElementById("problem")?.focus(); // heard as well as seen
