// The codebook's rows: where one is, what is open, how each stands; only what changed is painted.

import { answerOf, codes, dimensions, groups, passagesOf } from "./answers.js";
import { mark, placeOf, style } from "./evidence.js";
import { paintRecent } from "./recent.js";

const panel = document.getElementById("codes");
export let here = codes[0];
let texts = {};
let onRemove = () => {};
let definitions = true;

export function prepare(words, removed) {
  texts = words;
  onRemove = removed;
  for (const code of codes) style(`code-${code.number}`, code.color, code.number);
  for (const dimension of dimensions) {
    for (const field of [dimension.rest, dimension.left]) field.tabIndex = -1;
  }
  for (const code of codes) setTab(code, -1);
  goTo(here, { focus: false });
}

function fieldsOf(code) {
  return [...code.radios, code.value, code.slider].filter(Boolean);
}

function setTab(code, index) {
  for (const field of fieldsOf(code)) if (field.tabIndex !== index) field.tabIndex = index;
}

/** Be at `code`: its row opens, the one before closes, Tab leads here. */
export function goTo(code, { focus = true, scroll = true } = {}) {
  if (!code) return;
  const before = here;
  here = code;
  before.element.classList.remove("here");
  for (const dimension of [before.dimension, code.dimension]) dimension.element.classList.toggle("at", dimension === code.dimension);
  before.group.classList.toggle("at", before.group === code.group);
  code.group.classList.add("at");
  code.element.classList.add("here");
  const definition = code.element.querySelector(".definition");
  if (definition) definition.open = definitions;
  quotes(code);
  // A slider is not a field to type in, so that keys keep their meaning: 0 is "not expressed" there.
  if (focus) (code.slider ?? code.radios.find((radio) => radio.checked) ?? code.radios[0]).focus({ preventScroll: true });
  // Only now: to change what has the focus would have the browser lay out the page once more.
  const own = (one) => one === code || (one.dimension === code.dimension && code.dimension.kind === "one");
  for (const one of codes) if (one === before || one.dimension === before.dimension) setTab(one, -1);
  for (const one of codes) if (own(one)) setTab(one, 0);
  for (const [dimension, index] of [[before.dimension, -1], [code.dimension, 0]]) {
    for (const field of [dimension.rest, dimension.left]) field.tabIndex = index;
  }
  if (scroll) bringIntoView(code.element);
}

function bringIntoView(element) {
  element.scrollIntoView({ block: "nearest" });
}

/** The codes that are shown, in order: all, or those in which the machine differs. */
export function shownCodes() {
  return codes.filter((code) => !code.element.closest("[hidden], .same"));
}

export function step(by) {
  const list = shownCodes();
  const next = list[Math.min(Math.max(list.indexOf(here) + by, 0), list.length - 1)];
  goTo(next);
}

/** The next code without an answer after the one we are at, undefined where there is none. */
export function nextOpen() {
  const list = shownCodes();
  const at = list.indexOf(here);
  return [...list.slice(at + 1), ...list.slice(0, at + 1)].find((code) => !isDone(code));
}

/** Where to begin: the first code without an answer, or the first of all. */
export function firstOpen() {
  const list = shownCodes();
  return list.find((code) => !isDone(code)) ?? list[0] ?? codes[0];
}

function isDone(code) {
  const { dimension } = code;
  if (dimension.left.checked) return true;
  if (dimension.kind === "many") return Boolean(answerOf(code));
  return dimension.rest.checked || codes.some((one) => one.dimension === dimension && answerOf(one));
}

export function goToGroup(number) {
  const group = groups.find((one) => one.number === number);
  const first = group?.codes.find((code) => !code.element.closest("[hidden], .same"));
  if (first) goTo(first);
  return Boolean(first);
}

/** The code that a digit answers: the one with that number in the group we are at. */
export function numbered(digit) {
  return shownCodes().find((code) => code.group === here.group && code.element.dataset.key === String(digit));
}

export function toggleDefinitions() {
  definitions = !definitions;
  const definition = here.element.querySelector(".definition");
  if (definition) definition.open = definitions;
}

/** Show how `code` stands: its state, how many passages it has, and where. */
export function paint(code) {
  const answer = answerOf(code);
  const passages = passagesOf(code);
  const stands = Boolean(answer) && answer !== "no";
  code.element.dataset.answer = answer;
  const count = code.element.querySelector(".count");
  const shown = stands && passages.length ? String(passages.length) : "";
  if (count.dataset.count !== shown) {
    count.dataset.count = shown;
    count.hidden = !shown;
    count.textContent = shown ? texts.passages.replace("%(count)s", shown) : "";
  }
  mark(`code-${code.number}`, stands ? passages : [], code);
  paintRecent(code);
  if (code === here) quotes(code);
}

export function paintAll() {
  for (const code of codes) paint(code);
}

function quotes(code) {
  const list = code.element.querySelector(".passages");
  const passages = passagesOf(code);
  const answer = answerOf(code);
  list.hidden = !passages.length || !answer || answer === "no";
  list.replaceChildren(...passages.map((passage) => quoteRow(code, passage)).filter(Boolean));
}

function quoteRow(code, passage) {
  const place = placeOf(passage);
  if (!place) return null;
  const row = document.createElement("li");
  row.style.setProperty("--code", code.color);
  const quote = document.createElement("q");
  quote.lang = place.words.lang;
  quote.dir = "auto";
  quote.textContent = place.quote;
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "link";
  remove.textContent = texts.remove;
  remove.setAttribute("aria-label", `${texts.remove}: ${place.quote}`);
  remove.addEventListener("click", () => onRemove(code, passage));
  row.append(quote, remove);
  return row;
}

// What the codebook says of each code, without the buttons and the evidence that stand in its row.
const said = new Map(codes.map((code) => [code, [
  code.label,
  ...[...code.element.querySelectorAll(".definition p")].map((line) => (line.querySelector("bdi") ?? line).textContent),
].join("\n").toLocaleLowerCase()]));

/** Show only the codes whose words hold `text`; returns them. "" shows all again. */
export function filter(text) {
  const wanted = text.trim().toLocaleLowerCase();
  const found = [];
  for (const code of codes) {
    const fits = !wanted || said.get(code).includes(wanted);
    code.element.hidden = !fits;
    if (fits) found.push(code);
  }
  const some = Boolean(wanted && found.length);
  if (!some) for (const code of codes) code.element.hidden = false; // words of the interview, perhaps
  for (const group of groups) group.element.hidden = some && group.codes.every((code) => code.element.hidden);
  for (const dimension of dimensions) {
    const own = codes.filter((code) => code.dimension === dimension);
    dimension.element.hidden = some && own.every((code) => code.element.hidden);
  }
  if (some) panel.scrollTop = 0;
  return wanted ? found : [];
}
