// Finding a code, or words of the interview where no code has them.

import { findWords } from "./evidence.js";
import { goToTurn, turnAt, turnsOnPage } from "./interview.js";
import { notice, texts } from "./notices.js";
import * as rows from "./rows.js";

const field = document.getElementById("find");

/** Show all codes again. */
export function clear() {
  field.value = "";
  notice("find");
  rows.filter("");
}

function go() {
  const text = field.value.trim();
  notice("find");
  if (!text) return;
  const [code] = rows.filter(text);
  if (code) {
    clear();
    rows.goTo(code);
    return;
  }
  const turn = findWords(text, turnsOnPage().indexOf(turnAt()) + 1);
  if (turn) goToTurn(turn);
  else notice("find", texts.notFound, [], "");
}

export function prepareFind() {
  field.addEventListener("input", () => {
    notice("find");
    rows.filter(field.value);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || !["Enter", "Escape"].includes(event.code)) return;
    event.preventDefault();
    if (event.code === "Enter") {
      go();
    } else {
      clear();
      field.blur();
    }
  });
}
