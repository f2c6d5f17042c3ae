// Adds to the review form: evidence by selecting words, highlights, keys, and a draft in this tab.
// The form works without it. Offsets in the form are code points of the stored text.

const form = document.getElementById("review");
const texts = document.getElementById("texts").dataset;
const voice = document.getElementById("said");
const saveButton = document.getElementById("save");
const turns = [...document.querySelectorAll("#turns > li")];
const dimensions = [...document.querySelectorAll(".dimension[data-kind]")];
// Words that can be evidence, in order; each holds one text node, which highlights never split.
const spoken = [...document.querySelectorAll(".words[data-evidence]")]
  .filter((words) => words.firstChild)
  .map((words) => ({ words, node: words.firstChild, start: Number(words.dataset.start) }));
const codes = [...document.querySelectorAll("[data-code]")].map((element) => ({
  element,
  field: element.querySelector('input[name^="passages:"]'),
  list: element.querySelector(".passages"),
  dimension: element.closest(".dimension"),
}));
const draftKey = `concord-review-${form.dataset.assignment}`;
let current = 0; // the question that digits answer
let selected = []; // what was selected last in the interview

// ── Offsets: the one place where the browser's UTF-16 units and our code points meet ──

function isHalf(text, unit) {
  const before = text.charCodeAt(unit - 1);
  const after = text.charCodeAt(unit);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}

function toPoints(text, unit) {
  let points = 0;
  for (const _character of text.slice(0, unit)) points += 1;
  return points;
}

function toUnits(text, points) {
  let units = 0;
  for (const character of text) {
    if (points <= 0) break;
    units += character.length;
    points -= 1;
  }
  return units;
}

// ── Evidence ──

/** What is selected, as ranges of code points, one for each turn of the participant. */
function selection() {
  const chosen = window.getSelection();
  if (!chosen.rangeCount || chosen.isCollapsed) return [];
  const range = chosen.getRangeAt(0);
  const found = [];
  for (const { node, start } of spoken) {
    if (!range.intersectsNode(node)) continue;
    const text = node.data;
    let from = range.startContainer === node ? range.startOffset : 0;
    let to = range.endContainer === node ? range.endOffset : text.length;
    // Half a pair is no character: take the whole one.
    if (isHalf(text, from)) from -= 1;
    if (isHalf(text, to)) to += 1;
    while (from < to && /\s/u.test(text[from])) from += 1;
    while (to > from && /\s/u.test(text[to - 1])) to -= 1;
    if (from < to) found.push([start + toPoints(text, from), start + toPoints(text, to)]);
  }
  return found;
}

/** The turn of a passage, and the passage in the browser's units. */
function placeOf([start, end]) {
  const turn = spoken.findLast((one) => one.start <= start);
  if (!turn) return null;
  const from = toUnits(turn.node.data, start - turn.start);
  const to = toUnits(turn.node.data, end - turn.start);
  return from < to ? { ...turn, from, to } : null;
}

function passagesOf(code) {
  return code.field.value.split(" ").filter(Boolean).map((range) => range.split("-").map(Number));
}

function setPassages(code, passages) {
  const ordered = [...passages].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  code.field.value = [...new Set(ordered.map((range) => range.join("-")))].join(" ");
  changed();
}

function addSelection(code) {
  const passages = selected.length ? selected : selection();
  if (!passages.length) {
    say(texts.nothing);
    return;
  }
  if (answerOf(code) !== "unsure") choose(code, "yes");
  setPassages(code, [...passagesOf(code), ...passages]);
  selected = [];
  window.getSelection().removeAllRanges();
  say(texts.added);
}

function removePassage(code, passage) {
  setPassages(code, passagesOf(code).filter((one) => one.join("-") !== passage.join("-")));
  say(texts.removed);
}

// ── Answers ──

function radios(code) {
  return [...code.element.querySelectorAll('input[type="radio"]')];
}

function answerOf(code) {
  if (code.dimension.dataset.kind === "scale") return "yes";
  const checked = radios(code).find((radio) => radio.checked);
  if (!checked) return "";
  return code.dimension.dataset.kind === "one" ? "yes" : checked.value;
}

function choose(code, answer) {
  const kind = code.dimension.dataset.kind;
  if (kind === "scale") return;
  const radio = kind === "one" ? radios(code)[0] : radios(code).find((one) => one.value === answer);
  if (radio) radio.checked = true;
  changed();
}

/** Yes, or no answer again if it was yes. */
function toggle(code) {
  if (answerOf(code) === "yes") {
    for (const radio of radios(code)) radio.checked = false;
    changed();
  } else {
    choose(code, "yes");
  }
}

function codeAt(element) {
  return codes.find((code) => code.element.contains(element));
}

// ── What is shown ──

const sheet = window.CSS && CSS.highlights && "adoptedStyleSheets" in document ? new CSSStyleSheet() : null;

if (sheet) {
  codes.forEach((code, number) => {
    const color = code.element.dataset.color;
    const style = ["solid", "dashed", "dotted", "double"][number % 4];
    sheet.insertRule(
      `::highlight(code-${number}) { background-color: ${color}33; text-decoration: underline 2px ${style} ${color}; }`,
    );
  });
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

function show() {
  const margins = new Map();
  codes.forEach((code, number) => {
    const answer = answerOf(code);
    const stands = answer && answer !== "no";
    const ranges = [];
    code.list.replaceChildren();
    code.list.hidden = !stands;
    for (const passage of passagesOf(code)) {
      const place = placeOf(passage);
      if (!place) continue;
      code.list.append(passageRow(code, passage, place));
      if (!stands) continue;
      const range = new StaticRange({
        startContainer: place.node, startOffset: place.from, endContainer: place.node, endOffset: place.to,
      });
      ranges.push(range);
      const turn = place.words.closest("li");
      margins.set(turn, (margins.get(turn) || new Set()).add(code));
    }
    if (sheet) CSS.highlights.set(`code-${number}`, new Highlight(...ranges));
  });
  for (const turn of turns) {
    turn.querySelector(".margin").replaceChildren(
      ...[...(margins.get(turn) || [])].map((code) => {
        const mark = document.createElement("span");
        mark.textContent = code.element.dataset.initials;
        mark.style.setProperty("--code", code.element.dataset.color);
        return mark;
      }),
    );
  }
  dimensions.forEach((dimension, number) => dimension.classList.toggle("at", number === current));
}

function passageRow(code, passage, place) {
  const row = document.createElement("li");
  row.style.setProperty("--code", code.element.dataset.color);
  const quote = document.createElement("q");
  quote.lang = place.words.lang;
  quote.dir = "auto";
  quote.textContent = place.node.data.slice(place.from, place.to);
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "link";
  remove.textContent = texts.remove;
  remove.setAttribute("aria-label", `${texts.remove}: ${quote.textContent}`);
  remove.addEventListener("click", () => removePassage(code, passage));
  row.append(quote, remove);
  return row;
}

function say(text) {
  voice.textContent = text;
}

// ── A draft in this tab, so that a lost connection or a closed page loses nothing ──

function changed() {
  show();
  keep(false);
}

/** Keep what is entered; `sent` when it is on its way and no longer needed once it has arrived. */
function keep(sent) {
  const entries = [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken");
  try {
    sessionStorage.setItem(draftKey, JSON.stringify({ entries, sent }));
  } catch {
    // Storage is full or forbidden: the form is still there.
  }
}

function restore() {
  const drafts = Object.keys(sessionStorage).filter((key) => key.startsWith("concord-review-"));
  for (const key of drafts) {
    // This page came after that one was saved. What is half done elsewhere waits for its coder.
    if (key !== draftKey && JSON.parse(sessionStorage.getItem(key)).sent) sessionStorage.removeItem(key);
  }
  const kept = JSON.parse(sessionStorage.getItem(draftKey));
  if (!kept || document.getElementById("problem")) return;
  if (kept.sent && "answered" in form.dataset) {
    sessionStorage.removeItem(draftKey); // it arrived, and stands in the form
    return;
  }
  const entries = kept.entries;
  for (const field of form.elements) {
    if (!field.name || field.name === "csrfmiddlewaretoken" || field.type === "submit") continue;
    const values = entries.filter(([name]) => name === field.name).map(([, value]) => value);
    if (field.type === "radio" || field.type === "checkbox") field.checked = values.includes(field.value);
    else if (values.length) field.value = values[0];
  }
  if (entries.some(([name, value]) => value && name !== "save")) say(texts.restored);
}

// ── Scales: a slider beside the number ──

for (const dimension of dimensions.filter((one) => one.dataset.kind === "scale")) {
  const number = dimension.querySelector('input[type="number"]');
  const slider = dimension.querySelector('input[type="range"]');
  const none = dimension.querySelector('input[name^="none:"]');
  const span = Number(slider.max) - Number(slider.min);
  slider.step = span >= 20 ? "1" : String(span / 100);
  slider.hidden = false;
  const follow = () => { if (number.value !== "") slider.value = number.value; };
  follow();
  slider.addEventListener("input", () => { number.value = slider.value; none.checked = false; });
  number.addEventListener("input", () => { follow(); if (number.value !== "") none.checked = false; });
  none.addEventListener("change", () => { if (none.checked) number.value = ""; });
}

// ── Keys ──

const help = document.getElementById("help");

function isTyping(target) {
  return target instanceof HTMLTextAreaElement || target.isContentEditable ||
    (target instanceof HTMLInputElement && !["radio", "checkbox", "range"].includes(target.type));
}

function hasItsOwnEnter(target) {
  return target.closest("button, a, summary, select");
}

function stepTurn(by) {
  const here = turns.indexOf(document.activeElement.closest("#turns > li"));
  const next = turns[Math.min(Math.max(here + by, 0), turns.length - 1)];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "center" });
}

function goTo(number) {
  if (!dimensions[number]) return;
  current = number;
  show();
  dimensions[number].scrollIntoView({ block: "nearest" });
}

function digit(name, withShift) {
  const number = Number(name);
  if (withShift) {
    goTo(number - 1);
    return;
  }
  const code = codes.find((one) => one.dimension === dimensions[current] && one.element.dataset.key === name);
  if (!code) return;
  if (selected.length || selection().length) addSelection(code);
  else toggle(code);
  code.element.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.code === "Enter" && event.target.id === "why") {
    event.preventDefault();
    form.requestSubmit(form.querySelector('button[name="skip"]'));
    return;
  }
  if (isTyping(event.target)) return;
  const digits = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digits) digit(digits[1], event.shiftKey);
  else if (event.key === "?") help.showModal();
  else if (event.shiftKey) return;
  else if (event.code === "KeyJ") stepTurn(1);
  else if (event.code === "KeyK") stepTurn(-1);
  else if (["KeyY", "KeyN", "KeyU"].includes(event.code) && codeAt(event.target)) {
    choose(codeAt(event.target), { KeyY: "yes", KeyN: "no", KeyU: "unsure" }[event.code]);
  } else if (event.code === "Enter" && !hasItsOwnEnter(event.target)) form.requestSubmit(saveButton);
  else return;
  event.preventDefault();
});

// ── Wiring ──

for (const code of codes) {
  const button = code.element.querySelector(".add-evidence");
  button.hidden = false;
  button.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the selection
  button.addEventListener("click", () => addSelection(code));
}

document.addEventListener("selectionchange", () => {
  const now = selection();
  const anchor = window.getSelection().anchorNode;
  if (now.length) selected = now;
  else if (anchor && document.getElementById("turns").contains(anchor)) selected = [];
});

document.getElementById("codes").addEventListener("focusin", (event) => {
  const number = dimensions.indexOf(event.target.closest(".dimension"));
  if (number >= 0 && number !== current) {
    current = number;
    show();
  }
});

form.addEventListener("input", changed);
form.addEventListener("change", changed);
form.addEventListener("submit", (event) => {
  if ("sent" in form.dataset) event.preventDefault(); // two clicks are one answer
  form.dataset.sent = "";
  keep(true);
  say(texts.sending);
});
window.addEventListener("pageshow", () => { delete form.dataset.sent; });
document.getElementById("help-button").hidden = false;
document.getElementById("help-button").addEventListener("click", () => help.showModal());
document.getElementById("how").hidden = false;
restore();
show();
document.getElementById("problem")?.focus(); // heard as well as seen
