// On a narrow window: add what is selected to a code without leaving the interview.

import { codes, dimensions } from "./answers.js";
import { addSelection, desk, isClosed } from "./desk.js";
import * as rows from "./rows.js";

const adding = document.getElementById("thumb-add");
const choice = document.getElementById("thumb-code");

/** Show the choice of a code while words are selected. */
export function showThumb() {
  const waits = desk.selected.length > 0 && !isClosed();
  if (adding.hidden !== waits) return;
  adding.hidden = !waits;
  if (waits) choice.value = String(rows.here.number);
}

export function prepareThumb() {
  for (const dimension of dimensions) {
    const group = document.createElement("optgroup");
    group.label = dimension.label;
    const own = codes.filter((code) => code.dimension === dimension);
    group.append(...own.map((code) => new Option(code.label, String(code.number))));
    choice.append(group);
  }
  document.getElementById("thumb-button").addEventListener("click", () => {
    const code = codes[Number(choice.value)];
    addSelection(code);
    rows.goTo(code, { focus: false, scroll: false });
    showThumb();
  });
}
