// The codes that this coder used last, at hand above the codebook. While an interview is on the page
// the strip stays as it is; the next one gets it anew, and what stays in it keeps its place. It knows
// the coder's own blind answers and nothing else.

import { answerOf, codes } from "./answers.js";
import { screen } from "./notices.js";

const strip = document.getElementById("recent"); // null where the codebook is small
const buttons = [...(strip?.querySelectorAll("button") ?? [])];
const choice = document.getElementById("thumb-code");
const group = document.getElementById("thumb-recent");
const STORE = `concord-recent-${screen.person}-${screen.urls.review}`;
let shown = []; // the code of each button that is shown

const nameOf = (code) => code.element.dataset.code;

/** What is in the strip, in order: { code, at }, where a later answer has a higher `at`. */
function load() {
  try {
    const known = new Set(codes.map(nameOf));
    return JSON.parse(localStorage.getItem(STORE) ?? "[]").filter((one) => known.has(one.code));
  } catch {
    return []; // forbidden, or written by something else
  }
}

/** Take in the codes that blind `answers` say apply, or may; a scale is answered each time. */
export function remember({ said }) {
  if (!strip) return;
  const places = load();
  const now = 1 + Math.max(0, ...places.map((one) => one.at));
  const scales = new Set(codes.filter((code) => code.dimension.kind === "scale").map(nameOf));
  const used = said.filter((one) => one.answer !== "no").map((one) => `${one.dimension}:${one.code}`);
  const fresh = used.filter((code) => !scales.has(code) && !places.some((one) => one.code === code));
  for (const one of places) if (used.includes(one.code)) one.at = now;
  for (const code of fresh) {
    const oldest = places.reduce((a, b) => (b.at < a.at ? b : a), { at: now });
    if (places.length < buttons.length) places.push({ code, at: now });
    else if (oldest.at < now) Object.assign(oldest, { code, at: now });
  }
  try {
    localStorage.setItem(STORE, JSON.stringify(places));
  } catch {
    // the strip is a help and nothing that could be lost
  }
}

/** Make the strip anew; it is not there where nothing was used yet or the answer is in. */
export function showRecent(stage) {
  if (!strip) return;
  const of = new Map(codes.map((code) => [nameOf(code), code]));
  shown = stage === "blind" ? load().map((one) => of.get(one.code)) : [];
  buttons.forEach((button, at) => {
    const code = shown[at];
    button.hidden = !code;
    button.tabIndex = at ? -1 : 0;
    if (!code) return;
    const label = button.querySelector("bdi");
    label.textContent = code.label;
    label.lang = code.lang;
    button.title = code.label === code.dimension.label ? code.label : `${code.dimension.label}: ${code.label}`;
    button.style.setProperty("--code", code.color);
    paintRecent(code);
  });
  strip.hidden = !shown.length;
  group.replaceChildren(...shown.map((code) => new Option(code.label, String(code.number))));
  if (shown.length) choice.prepend(group);
  else group.remove();
}

/** Show how `code` stands in the strip, if it is in it. */
export function paintRecent(code) {
  const button = buttons[shown.indexOf(code)];
  if (!button) return;
  const stands = String(!["", "no"].includes(answerOf(code)));
  if (button.getAttribute("aria-pressed") !== stands) button.setAttribute("aria-pressed", stands);
}

/** Whether `element` stands in the strip: there its numbers hold. */
export function isInRecent(element) {
  return Boolean(strip?.contains(element));
}

/** The code with that number in the strip, from 1. */
export function recentCode(number) {
  return shown[number - 1];
}

/** Come to the strip, where it is shown; returns whether. */
export function goToRecent() {
  if (shown.length) (buttons.find((button) => button.tabIndex === 0) ?? buttons[0]).focus();
  return shown.length > 0;
}

/** Call `use(code)` for a click, and let arrows lead from one code to the next. */
export function prepareRecent(use) {
  buttons.forEach((button, at) => {
    button.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the selection
    button.addEventListener("click", () => use(shown[at]));
  });
  strip?.addEventListener("keydown", (event) => {
    const mirrored = getComputedStyle(strip).direction === "rtl";
    const by = { ArrowDown: 1, ArrowUp: -1, ArrowRight: mirrored ? -1 : 1, ArrowLeft: mirrored ? 1 : -1 }[event.code];
    const at = buttons.indexOf(event.target);
    if (!by || at < 0) return;
    event.preventDefault();
    const next = buttons[(at + by + shown.length) % shown.length];
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
