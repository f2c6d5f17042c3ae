// One interview on the page: its turns, where it stands among the others, its language.

import { readTurns } from "./evidence.js";

const list = document.getElementById("turns");
let begun = false; // whether one went to a turn of this interview yet
const bidi = { rtl: "toLeft", ltr: "toRight" };

function turnOf(turn, language) {
  const item = document.createElement("li");
  item.id = `t${turn.number}`;
  item.className = turn.asked ? turn.role : `${turn.role} around`;
  item.tabIndex = -1;
  const speaker = document.createElement("span");
  speaker.className = "speaker";
  const number = document.createElement("span");
  number.className = "turn-number";
  number.textContent = turn.number;
  const name = document.createElement("bdi");
  name.textContent = turn.speaker;
  const margin = document.createElement("span");
  margin.className = "margin";
  margin.setAttribute("aria-hidden", "true");
  speaker.append(number, " ", name, margin);
  const words = document.createElement("p");
  words.className = "words";
  words.lang = language;
  words.dir = "auto";
  words.dataset.start = turn.start;
  if (turn.role === "participant" && turn.asked) words.dataset.evidence = "";
  words.textContent = turn.words;
  item.append(speaker, words);
  return item;
}

/** Put the turns of `question` on the page, in the place of those that stand there. */
export function showTurns(question) {
  const fragment = document.createDocumentFragment();
  for (const turn of question.turns) fragment.append(turnOf(turn, question.language));
  list.replaceChildren(fragment);
  list.classList.toggle("partly", !question.whole); // a class: to look for it (:has) costs every change 10 ms
  document.getElementById("in-context").hidden = question.whole;
  readTurns();
  // Once all is on the page: whoever shows an interview begins at its top.
  if (!question.whole) queueMicrotask(() => leadIn()?.scrollIntoView({ block: "start", behavior: "instant" }));
}

/** Where reading begins: the question before the answer that is asked about, else the first turn. */
export function leadIn() {
  const asked = list.querySelector(":scope > :not(.around)");
  const before = asked?.previousElementSibling;
  return (before?.classList.contains("interviewer") ? before : asked) ?? list.firstElementChild;
}

/** Say which interview it is, in which language and direction it is. */
export function showPlace(question, texts) {
  document.getElementById("place").textContent = texts.place
    .replace("%(position)s", question.position).replace("%(of)s", question.of);
  const progress = document.getElementById("progress");
  progress.max = question.of;
  progress.value = question.position;
  document.querySelector("#language bdi").textContent = question.language;
  const words = list.querySelector(".words");
  const direction = words ? getComputedStyle(words).direction : "ltr";
  document.getElementById("direction").textContent = ` · ${texts[bidi[direction]]}`;
  begun = false;
  const first = leadIn();
  if (first) first.tabIndex = 0;
}

export function turnsOnPage() {
  return [...list.children];
}

export function hasTurns() {
  return list.childElementCount > 0;
}

/** The turn that the keyboard is at. */
export function turnAt() {
  return list.querySelector(":scope > [tabindex='0']");
}

/** Go `by` turns on from the one we are at; one turn at a time is reached with Tab. */
export function stepTurn(by) {
  const turns = [...list.children];
  const at = turns.indexOf(turnAt()) + (begun ? by : 0);
  goToTurn(turns[Math.min(Math.max(at, 0), turns.length - 1)]);
}

export function goToTurn(turn, { scroll = true } = {}) {
  const before = turnAt();
  if (before) before.tabIndex = -1;
  turn.tabIndex = 0;
  begun = true;
  if (!scroll) return;
  turn.focus({ preventScroll: true });
  turn.scrollIntoView({ block: turn.offsetHeight > window.innerHeight * 0.7 ? "start" : "center" });
}
