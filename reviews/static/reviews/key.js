// Adds to the page of a key: evidence by selecting words. The rest of the form works without it.

import { mark, placeOf, pointAt, readTurns, selection, style } from "./evidence.js";

const form = document.getElementById("key");
const voice = document.getElementById("voice");
const codes = [...form.querySelectorAll("[data-code]")];
let selected = []; // what was selected last in the interview

readTurns();

function passagesOf(code) {
  return code.querySelector('input[name^="passages:"]').value.split(" ").filter(Boolean).map((one) => one.split("-").map(Number));
}

function keep(code, passages) {
  const ordered = [...passages].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  code.querySelector('input[name^="passages:"]').value = [...new Set(ordered.map((one) => one.join("-")))].join(" ");
  show(code);
}

function show(code) {
  const list = code.querySelector(".passages");
  const { initials, color } = code.dataset;
  mark(`code-${codes.indexOf(code)}`, passagesOf(code), { initials, color });
  list.replaceChildren(...passagesOf(code).map((passage) => row(code, passage)).filter(Boolean));
}

function row(code, passage) {
  const place = placeOf(passage);
  if (!place) return null;
  const item = document.createElement("li");
  const quote = document.createElement("q");
  quote.lang = place.words.lang;
  quote.dir = "auto";
  quote.textContent = place.quote;
  quote.addEventListener("click", () => pointAt(passage));
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "link";
  remove.textContent = form.dataset.remove;
  remove.setAttribute("aria-label", `${form.dataset.remove}: ${place.quote}`);
  remove.addEventListener("click", () => {
    keep(code, passagesOf(code).filter((one) => one.join("-") !== passage.join("-")));
    code.querySelector(".add").focus();
  });
  item.append(quote, remove);
  return item;
}

codes.forEach((code, number) => {
  style(`code-${number}`, code.dataset.color, number);
  show(code);
  const button = code.querySelector(".add");
  button.hidden = false;
  button.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the selection
  button.addEventListener("click", () => {
    const passages = selected.length ? selected : selection();
    if (!passages.length) {
      voice.textContent = form.dataset.nothing;
      return;
    }
    keep(code, [...passagesOf(code), ...passages]);
    selected = [];
    window.getSelection().removeAllRanges();
    voice.textContent = form.dataset.added;
  });
});

document.addEventListener("selectionchange", () => {
  const now = selection();
  const anchor = window.getSelection().anchorNode;
  if (now.length) selected = now;
  else if (anchor && document.getElementById("turns").contains(anchor)) selected = [];
});
document.getElementById("problem")?.focus(); // heard as well as seen
