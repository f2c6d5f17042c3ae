// After the answer is in: what the machine said, or what the key of a training round says.

import { codes, dimensions, groups } from "./answers.js";
import { mark, placeOf, pointAt, style } from "./evidence.js";

const MACHINE = "machine";
style(MACHINE, "#5B5B5B", 2);

function find(one) {
  return codes.find((code) => code.element.dataset.code === `${one.dimension}:${one.code}`);
}

/** Take away what was shown of the machine or the key. */
export function hideMachine() {
  mark(MACHINE, [], { initials: "", color: "" });
  for (const code of codes) {
    code.element.classList.remove("same");
    const line = code.element.querySelector(".machine");
    line.hidden = true;
    line.replaceChildren();
  }
  hideWhatIsEmpty();
}

/** Hide groups and dimensions of which every code is hidden. */
function hideWhatIsEmpty() {
  const isSame = (code) => code.element.classList.contains("same");
  for (const group of groups) group.element.classList.toggle("same", group.codes.every(isSame));
  for (const dimension of dimensions) {
    const own = codes.filter((code) => code.dimension === dimension);
    dimension.element.classList.toggle("same", own.every(isSame));
  }
}

function said(code, answer, value, texts) {
  if (value !== null && value !== undefined) return String(value);
  if (answer === "no" && code.dimension.kind === "scale") return texts.notExpressed;
  return answer ? texts[answer] : texts.noAnswer;
}

/** One line under a code: who says what, and the words they point at. */
function line(code, parts, quotes, texts) {
  const element = code.element.querySelector(".machine");
  element.hidden = false;
  element.append(...parts);
  for (const quote of quotes) {
    const place = quote.start === null || quote.start === undefined ? null : placeOf([quote.start, quote.end]);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link quote";
    button.dir = "auto";
    button.textContent = place?.quote ?? quote.quote ?? "";
    if (place) {
      button.lang = place.words.lang;
      button.addEventListener("click", () => pointAt([quote.start, quote.end]));
    } else {
      button.disabled = true;
      button.title = texts.notInText;
    }
    element.append(" ", button);
  }
}

function strong(text) {
  const element = document.createElement("b");
  element.textContent = text;
  return element;
}

/** Show where the machine differs from what was said blind; returns how often. */
export function showSecond({ marks, machine }, texts) {
  const differing = marks.filter((one) => one.differs);
  const known = new Set(differing.map(find));
  for (const code of codes) code.element.classList.toggle("same", !known.has(code));
  hideWhatIsEmpty();
  const passages = [];
  for (const one of differing) {
    const code = find(one);
    if (!code) continue;
    line(code, [
      `${texts.you}: `, strong(said(code, one.own, one.own_value, texts)),
      ` · ${texts.machine}: `, strong(said(code, one.machine, one.machine_value, texts)),
    ], one.passages, texts);
    passages.push(...one.passages.filter((passage) => passage.start !== null).map(({ start, end }) => [start, end]));
  }
  mark(MACHINE, passages, { initials: "⚙", color: "#5B5B5B", title: machine });
  return differing.length;
}

/** Show what the key of a training round says of each code that it knows. */
export function showFeedback({ marks }, texts) {
  const passages = [];
  for (const one of marks) {
    const code = find(one);
    if (!code || (one.key === null && one.key_value === null)) continue;
    // A key that can't tell is neither met nor missed.
    const verdict = one.agrees === null ? [] : [one.agrees ? texts.keyAgrees : strong(texts.keyDiffers), " · "];
    line(code, [
      ...verdict, `${texts.key}: `, strong(said(code, one.key, one.key_value, texts)), one.why ? ` · ${one.why}` : "",
    ], one.passages.map(([start, end]) => ({ start, end })), texts);
    passages.push(...one.passages);
  }
  mark(MACHINE, passages, { initials: "✓", color: "#5B5B5B" });
}
