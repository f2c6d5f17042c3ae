// Evidence in the interview: what is selected, where passages stand, and how they are shown.
// Highlights never split a text node, so Arabic stays joined and nothing is laid out anew.

import { isHalf, toPoints, toUnits } from "./offsets.js";

const list = document.getElementById("turns");
const STYLES = ["solid", "dashed", "dotted", "double"];
export const canHighlight = Boolean(window.CSS?.highlights) && "adoptedStyleSheets" in document;
const sheet = canHighlight ? new CSSStyleSheet() : null; // one for all: each costs every element
if (sheet) document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

let spoken = []; // turns that can be evidence, in order
const shown = new Map(); // what is marked: name -> { passages, initials, color }

/** Take in the interview that stands on the page. */
export function readTurns() {
  for (const words of list.querySelectorAll(".words")) cut(words);
  spoken = [...list.querySelectorAll(".words[data-evidence]")]
    .filter((words) => words.firstChild)
    .map((words) => ({ words, turn: words.closest("li"), text: words.textContent, start: Number(words.dataset.start) }));
  for (const name of shown.keys()) if (canHighlight) CSS.highlights.delete(name);
  shown.clear();
}

// A turn of many pages is cut into paragraphs at the ends of sentences, so that only those in sight
// are laid out; together they hold the same words.
const LONG = 4_000; // UTF-16 units
const PART = 1_500;

function cut(words) {
  const text = words.firstChild?.data ?? "";
  if (text.length < LONG || words.childNodes.length > 1) return;
  const parts = [];
  for (let from = 0; from < text.length;) {
    const end = /[.!?…。！？؟।]["”»’)]*\s|\n/gu;
    end.lastIndex = from + PART;
    const found = text.length - from > 2 * PART ? end.exec(text) : null;
    const space = found && found.index < from + 2 * PART ? null : text.indexOf(" ", from + PART);
    let to = found && found.index < from + 2 * PART ? end.lastIndex : space + 1;
    if (to <= from || text.length - to < PART) to = text.length;
    const part = document.createElement("span");
    part.className = "part";
    part.textContent = text.slice(from, to);
    parts.push(part);
    from = to;
  }
  words.replaceChildren(...parts);
}

/** The text node in which unit `at` of `words` stands, and where in it. */
function spot(words, at) {
  const walker = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
  let passed = 0;
  let node = walker.nextNode();
  for (let next = node; next; next = walker.nextNode()) {
    node = next;
    if (at <= passed + node.data.length) break;
    passed += node.data.length;
  }
  return [node, at - passed];
}

/** Say how the passages of `name` look; codes are told apart by their underline too. */
export function style(name, color, number) {
  if (!canHighlight) return;
  const line = `underline 2px ${STYLES[number % STYLES.length]} ${color}`;
  sheet.insertRule(`.words::highlight(${name}), .part::highlight(${name}) { background-color: ${color}33; text-decoration: ${line}; }`);
}

/** Whether what is selected begins or ends among the words of a translation. */
export function isTranslation() {
  const chosen = window.getSelection();
  if (!chosen.rangeCount || chosen.isCollapsed) return false;
  const range = chosen.getRangeAt(0);
  return [range.startContainer, range.endContainer].some((node) => {
    const other = (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)?.closest(".translated");
    if (!other) return false;
    // A whole turn that is selected ends before the first letter of what stands beside it.
    const inside = document.createRange();
    inside.selectNodeContents(other.querySelector("p"));
    if (range.compareBoundaryPoints(Range.START_TO_START, inside) > 0) inside.setStart(range.startContainer, range.startOffset);
    if (range.compareBoundaryPoints(Range.END_TO_END, inside) < 0) inside.setEnd(range.endContainer, range.endOffset);
    return Boolean(inside.toString().trim());
  });
}

/** What is selected, as ranges of code points, one for each turn of the participant. */
export function selection() {
  const chosen = window.getSelection();
  if (!chosen.rangeCount || chosen.isCollapsed || isTranslation()) return [];
  const range = chosen.getRangeAt(0);
  const found = [];
  for (const { words, text, start } of spoken) {
    if (!range.intersectsNode(words)) continue;
    let from = unitsBefore(words, range.startContainer, range.startOffset) ?? 0;
    let to = unitsBefore(words, range.endContainer, range.endOffset) ?? text.length;
    // Half a pair is no character: take the whole one.
    if (isHalf(text, from)) from -= 1;
    if (isHalf(text, to)) to += 1;
    while (from < to && /\s/u.test(text[from])) from += 1;
    while (to > from && /\s/u.test(text[to - 1])) to -= 1;
    if (from < to) found.push([start + toPoints(text, from), start + toPoints(text, to)]);
  }
  return found;
}

function unitsBefore(words, container, offset) {
  if (!words.contains(container)) return null;
  const before = document.createRange();
  before.setStart(words, 0);
  before.setEnd(container, offset);
  return before.toString().length;
}

/** The turn of a passage and the passage in the browser's units, null if it is nobody's words. */
export function placeOf([start, end]) {
  const turn = spoken.findLast((one) => one.start <= start);
  if (!turn) return null;
  const from = toUnits(turn.text, start - turn.start);
  const to = toUnits(turn.text, end - turn.start);
  return from < to ? { ...turn, from, to, quote: turn.text.slice(from, to) } : null;
}

/** Mark `passages` under `name`, with initials in the margin, in the place of those it had. */
export function mark(name, passages, { initials, color }) {
  const before = shown.get(name);
  if (!before && !passages.length) return;
  const places = passages.map(placeOf).filter(Boolean);
  shown.set(name, { places, initials, color });
  if (canHighlight) CSS.highlights.set(name, new Highlight(...places.map(rangeOf)));
  const turns = new Set([...(before?.places ?? []), ...places].map((place) => place.turn));
  for (const turn of turns) {
    if (!canHighlight) markWords(turn);
    margin(turn);
  }
}

function rangeOf({ words, from, to }) {
  const [startContainer, startOffset] = spot(words, from);
  const [endContainer, endOffset] = spot(words, to);
  return new StaticRange({ startContainer, startOffset, endContainer, endOffset });
}

function margin(turn) {
  const marks = [...shown.values()].filter((one) => one.places.some((place) => place.turn === turn));
  turn.querySelector(".margin").replaceChildren(
    ...marks.map(({ initials, color }) => {
      const element = document.createElement("span");
      element.textContent = initials;
      element.style.setProperty("--code", color);
      return element;
    }),
  );
}

/** Show which passages wait for a code, also where the browser's own selection has gone elsewhere. */
export function showChosen(passages) {
  if (!canHighlight) return;
  const places = passages.map(placeOf).filter(Boolean);
  if (!places.length) {
    CSS.highlights.delete("chosen");
    return;
  }
  const chosen = new Highlight(...places.map(rangeOf));
  chosen.priority = 1; // above the codes
  CSS.highlights.set("chosen", chosen);
}

/** Where the browser cannot highlight: the same ranges as <mark>s. */
function markWords(turn) {
  const one = spoken.find((candidate) => candidate.turn === turn);
  const { text } = one;
  const places = [...shown.values()].flatMap(({ places: here, color }) =>
    here.filter((place) => place.turn === turn).map((place) => ({ ...place, color })));
  const cuts = [...new Set([0, text.length, ...places.flatMap((place) => [place.from, place.to])])].sort((a, b) => a - b);
  one.words.replaceChildren(
    ...cuts.slice(1).map((to, at) => {
      const piece = document.createTextNode(text.slice(cuts[at], to));
      const over = places.find((place) => place.from <= cuts[at] && place.to >= to);
      if (!over) return piece;
      const element = document.createElement("mark");
      element.style.setProperty("--code", over.color);
      element.append(piece);
      return element;
    }),
  );
}

/** Select the next sentence of `turn` after what is selected; `extend` adds it to the selection. */
export function selectSentence(turn, extend) {
  const one = spoken.find((candidate) => candidate.turn === turn) ?? spoken[0];
  if (!one) return;
  const { text } = one;
  const chosen = window.getSelection();
  const inside = chosen.rangeCount && !chosen.isCollapsed && one.words.contains(chosen.focusNode);
  const after = inside ? unitsBefore(one.words, chosen.getRangeAt(0).endContainer, chosen.getRangeAt(0).endOffset) : 0;
  const sentences = sentencesOf(text, one.words.lang);
  const next = sentences.find(([from]) => from >= after) ?? sentences[0];
  if (!next) return;
  const from = inside && extend && next[0] >= after ? unitsBefore(one.words, chosen.getRangeAt(0).startContainer, chosen.getRangeAt(0).startOffset) : next[0];
  selectUnits(one.words, from, next[1]);
  one.turn.scrollIntoView({ block: "nearest" });
}

function sentencesOf(text, language) {
  if (!("Segmenter" in Intl)) return [[0, text.length]];
  let segmenter;
  try {
    segmenter = new Intl.Segmenter(language, { granularity: "sentence" });
  } catch {
    segmenter = new Intl.Segmenter(undefined, { granularity: "sentence" });
  }
  return [...segmenter.segment(text)]
    .map(({ index, segment }) => [index, index + segment.trimEnd().length])
    .filter(([from, to]) => to > from);
}

function selectUnits(words, from, to) {
  const chosen = window.getSelection();
  chosen.setBaseAndExtent(...spot(words, from), ...spot(words, to));
}

/** Show where a passage stands: bring its turn into view and outline the words for a moment. */
export function pointAt(passage) {
  const place = placeOf(passage);
  if (!place) return;
  const range = document.createRange();
  range.setStart(...spot(place.words, place.from));
  range.setEnd(...spot(place.words, place.to));
  if (canHighlight) CSS.highlights.set("here", new Highlight(range));
  // A turn may be longer than the window: what counts is where the words are.
  const box = range.getBoundingClientRect();
  if (!box.height || box.top < 80 || box.bottom > window.innerHeight - 80) {
    (range.startContainer.parentElement ?? place.turn).scrollIntoView({ block: "center" }); // lays it out
    const now = range.getBoundingClientRect();
    if (now.top < 80 || now.bottom > window.innerHeight - 80) {
      window.scrollBy({ top: now.top - window.innerHeight / 3 });
    }
  }
  return place;
}

/** `text` in lower case and as long as before: "İ" would become two units. */
function lower(text) {
  return text.replace(/\p{Lu}/gu, (letter) => {
    const small = letter.toLowerCase();
    return small.length === letter.length ? small : letter;
  });
}

/** The first turn at or after `from` that holds `words`, and where; null if none does. */
export function findWords(words, from = 0) {
  const turns = [...list.children];
  const wanted = lower(words);
  for (let step = 0; step < turns.length; step += 1) {
    const turn = turns[(from + step) % turns.length];
    const text = turn.querySelector(".words");
    const at = lower(text.textContent).indexOf(wanted);
    if (at < 0) continue;
    selectUnits(text, at, at + words.length);
    turn.scrollIntoView({ block: "center" });
    return turn;
  }
  return null;
}
