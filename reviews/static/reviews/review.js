// The review screen. The form works without it; this adds evidence, keys, drafts, an outbox and the
// next interview from memory. What a key or a click does is said here; the work is done elsewhere.

import { answerOf, codeAt, codes, dimensions, passagesOf, read } from "./answers.js";
import {
  addSelection, closeWhatIsClosed, desk, entered, give, giveRest, isClosed, letGo, refuseTranslation, removePassage, select,
  selectedNow, undo,
} from "./desk.js";
import { pointAt, selection, selectSentence } from "./evidence.js";
import { clear, prepareFind } from "./finding.js";
import { goToTurn, stepTurn, turnAt, turnsOnPage } from "./interview.js";
import { back, flag, lookAt, skip, step, submit } from "./journey.js";
import { ahead, drafts, draftsOf, outbox, sayRefused, seconds, taken } from "./keeping.js";
import { isTyping, listen, sheet } from "./keys.js";
import { notice, say, screen, texts } from "./notices.js";
import { goToRecent, isInRecent, prepareRecent, recentCode } from "./recent.js";
import * as rows from "./rows.js";
import { ask } from "./server.js";
import { open, show } from "./showing.js";
import { oneTab } from "./tabs.js";
import { prepareThumb, showThumb } from "./thumb.js";
import { toggleTranslation } from "./translation.js";

const form = document.getElementById("review");
const panel = document.getElementById("codes");
const skipping = document.getElementById("skip");
const why = document.getElementById("why");
const flagged = document.getElementById("flagged");
const oneByOneButton = document.getElementById("one-by-one");
const HABIT = "concord-one-by-one";
let pointer = false; // a mouse or finger is down
let pointed = false; // what was done last was done with one: a tap is told after the finger is gone
let evidenceAt = -1; // which passage [ and ] are at

// ── One code at a time ──

const isOneByOne = () => form.classList.contains("one-by-one");

function oneByOne(on) {
  form.classList.toggle("one-by-one", on);
  oneByOneButton.setAttribute("aria-pressed", String(on));
  localStorage.setItem(HABIT, on ? "1" : "");
  if (on) rows.goTo((answerOf(rows.here) && rows.nextOpen()) || rows.here, { focus: false });
}

/** Be at the next code without an answer; after the last one, at the button that saves. */
function advance() {
  const next = rows.nextOpen();
  if (next) rows.goTo(next);
  else document.getElementById("save").focus();
}

/** Be at `code`, from where the arrows lead on; whoever reads along stays in the interview. */
function comeTo(code) {
  rows.goTo(code, { focus: !document.activeElement.closest("#turns") });
}

function answer(code, what) {
  give(code, what);
  if (what && isOneByOne()) advance();
  else comeTo(code);
}

// ── Keys ──

function stepEvidence(by) {
  const all = codes
    .filter((code) => answerOf(code) && answerOf(code) !== "no")
    .flatMap((code) => passagesOf(code).map((passage) => ({ code, passage })))
    .sort((a, b) => a.passage[0] - b.passage[0]);
  if (!all.length) {
    say(texts.noEvidence);
    return;
  }
  evidenceAt = evidenceAt < 0 && by < 0 ? all.length - 1 : (evidenceAt + by + all.length) % all.length;
  const { code, passage } = all[evidenceAt];
  rows.goTo(code, { focus: false });
  const place = pointAt(passage);
  if (place) say(`${code.label}: ${place.quote}`);
}

const acts = {
  yes: () => answer(rows.here, "yes"),
  no: () => answer(rows.here, "no"),
  unsure: () => answer(rows.here, "unsure"),
  submit(event) {
    if (event.target.closest("button, a, summary, select")) return false; // it has its own Enter
    if (isOneByOne() && !isClosed() && rows.nextOpen()) advance();
    else submit();
    return true;
  },
  undo: () => { if (!undo()) back(); },
  next_turn: () => stepTurn(1),
  previous_turn: () => stepTurn(-1),
  sentence(event) {
    selectSentence(turnAt(), event.shiftKey);
    select(selection());
    showThumb();
  },
  previous_evidence: () => stepEvidence(-1),
  next_evidence: () => stepEvidence(1),
  definition: rows.toggleDefinitions,
  one_by_one: () => oneByOne(!isOneByOne()),
  find: () => document.getElementById("find").focus(),
  note: () => document.getElementById("note").focus(),
  translation: toggleTranslation,
  skip() {
    if (skipping.hidden || isClosed()) return;
    skipping.open = true;
    skipping.querySelector(".reasons button").focus();
  },
  flag() {
    document.getElementById("flag").open = true;
    flagged.focus();
  },
};

function digit(number, event) {
  if (event.shiftKey) return number ? rows.goToGroup(number) : goToRecent();
  if (isClosed()) return false;
  const recent = isInRecent(event.target) && recentCode(number);
  if (recent) {
    use(recent);
    return true;
  }
  if (number === 0) {
    giveRest(rows.here.dimension);
    if (isOneByOne()) advance();
    return true;
  }
  const code = rows.numbered(number);
  if (code) use(code);
  return Boolean(code);
}

/** What a code's number does: add what is selected, else answer yes, or take that back. */
function use(code) {
  if (code.element.closest("[hidden]")) clear(); // another code is looked for
  rows.goTo(code, { focus: false });
  if (isClosed() || refuseTranslation()) return;
  if (selectedNow().length) {
    addSelection(code);
    comeTo(code);
  } else if (code.dimension.kind === "scale") code.value.select();
  else answer(code, answerOf(code) === "yes" ? "" : "yes");
}

const openKeys = sheet(screen.keys, screen.usual, texts, async (chosen) => (await ask(screen.urls.keys, chosen)).ok);
listen(screen.keys, { act: (action, event) => acts[action](event), digit, help: openKeys });

panel.addEventListener("keydown", (event) => {
  const { code, target } = event;
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.type === "radio" && codeAt(target) && ["ArrowDown", "ArrowUp"].includes(code)) {
    rows.step(code === "ArrowDown" ? 1 : -1);
  } else if (code === "Enter" && target.type === "number") {
    if (isOneByOne() && rows.nextOpen()) advance();
    else submit();
  } else if (code === "Enter" && target === flagged) {
    flag(flagged.value.trim());
    flagged.blur();
  } else if (code === "Enter" && target === why) {
    skip("other", why.value.trim());
  } else if (code === "Escape" && target.matches("input, textarea")) {
    target.blur();
  } else if (/^Digit[1-5]$/.test(code) && target !== why && skipping.contains(target)) {
    const reason = skipping.querySelectorAll(".reasons li")[Number(code.at(-1)) - 1];
    (reason.querySelector("input") ?? reason.querySelector("button")).focus();
    if (!reason.querySelector("input")) reason.querySelector("button").click();
  } else {
    return;
  }
  event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  if (event.code !== "Escape" || event.isComposing || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (letGo()) showThumb();
});

// ── Mouse and touch ──

for (const code of codes) {
  const button = code.element.querySelector(".add-evidence");
  button.hidden = false;
  button.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the selection
  button.addEventListener("click", () => addSelection(code));
}

document.addEventListener("selectionchange", () => {
  const now = selection();
  const anchor = window.getSelection().anchorNode;
  if (now.length) select(now);
  else if (anchor && turnsOnPage().some((turn) => turn.contains(anchor))) select([]);
  showThumb();
});

// A row that opens while the button is down would move away from under it: it opens afterwards.
window.addEventListener("pointerdown", () => { pointer = pointed = true; }, true);
window.addEventListener("keydown", () => { pointed = false; }, true);
for (const name of ["pointerup", "pointercancel"]) {
  window.addEventListener(name, () => setTimeout(() => { pointer = false; }), true);
}
function openRow(event) {
  const code = codeAt(event.target);
  if (code && code !== rows.here && !pointer) rows.goTo(code, { focus: false, scroll: false });
}
panel.addEventListener("focusin", openRow);
panel.addEventListener("click", (event) => {
  if (!isOneByOne()) setTimeout(() => openRow(event), 1); // there the next one is open by then
});
document.getElementById("turns").addEventListener("click", (event) => {
  const turn = event.target.closest("#turns > li");
  if (turn && window.getSelection().isCollapsed) goToTurn(turn, { scroll: false });
});

// ── The form ──

form.addEventListener("input", ({ target }) => {
  if (!panel.contains(target) || target === why || target === flagged) return;
  entered(target);
  if (pointed && isOneByOne() && target.type === "radio") advance();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { submitter } = event;
  if (submitter?.name !== "skip") submit();
  else skip(submitter.value, submitter.value === "other" ? why.value.trim() : "");
});
flagged.addEventListener("change", () => flag(flagged.value.trim()));
document.getElementById("translation").addEventListener("click", toggleTranslation);
oneByOneButton.addEventListener("click", () => oneByOne(!isOneByOne()));
document.getElementById("help-button").addEventListener("click", openKeys);
document.getElementById("previous").addEventListener("click", (event) => {
  event.preventDefault();
  back();
});
for (const dimension of dimensions.filter((one) => one.kind === "many")) {
  dimension.element.querySelector(".plain").remove();
  dimension.rest.hidden = false;
  dimension.rest.addEventListener("click", () => giveRest(dimension));
}
for (const code of codes.filter((one) => one.slider)) {
  const span = Number(code.slider.max) - Number(code.slider.min);
  code.slider.step = span >= 20 ? "1" : String(span / 100);
  code.slider.hidden = false;
}

// ── Begin ──

desk.onChange = (answers) => {
  const { question, stage } = desk;
  if (stage !== "feedback") draftsOf(stage).keep(question.assignment, question.version, answers);
};
for (const id of ["find", "one-by-one", "help-button", "how", "thumb"]) document.getElementById(id).hidden = false;
rows.prepare(texts, removePassage);
prepareFind();
prepareThumb();
prepareRecent(use);
form.classList.add("scripted");
const given = "entered" in form.dataset ? read() : null; // sent without scripts, and not kept
const first = {
  ...screen.question,
  turns: turnsOnPage().map((turn) => {
    const words = turn.querySelector(".words");
    return {
      number: Number(turn.id.slice(1)),
      speaker: turn.querySelector(".speaker bdi").textContent,
      role: turn.classList.contains("interviewer") ? "interviewer" : "participant",
      asked: !turn.classList.contains("around"),
      start: Number(words.dataset.start),
      words: words.textContent,
    };
  }),
};
history.replaceState({ assignment: first.assignment }, "");
await Promise.all([drafts.load(), seconds.load(), outbox.load()]);
show(first, { push: false, answers: given });
if (localStorage.getItem(HABIT)) oneByOne(true);

let waited = false; // for another tab, which may have changed things
const tabs = oneTab(`concord-review-${screen.person}`, {
  async mine() {
    desk.writable = true;
    notice("tab");
    if (waited) {
      await Promise.all([drafts.load(), seconds.load(), outbox.load()]);
      await open(desk.question.assignment, { push: false });
    }
    closeWhatIsClosed();
    const { assignment, answered, second, feedback } = desk.question;
    // The server led here before it heard that this one was answered.
    const isDone = outbox.of(assignment).some((entry) => entry.kind !== "flag" && !entry.refused);
    await outbox.start();
    for (const entry of outbox.refused()) sayRefused(entry);
    const look = answered && (second ? "second" : feedback && "feedback");
    const [begun] = seconds.unsent(); // a second look that was left
    if (isDone && !answered) {
      await step();
    } else if (look) {
      lookAt(assignment, look);
    } else if (begun) {
      ahead.giveBack(desk.question);
      lookAt(begun.assignment, "second");
    } else {
      ahead.shown(assignment);
    }
    ahead.refill(desk.question.assignment, taken());
    form.dataset.state = "ready";
  },
  others() {
    desk.writable = false;
    waited = true;
    outbox.stop();
    notice("tab", texts.secondTab, [[texts.workHere, () => tabs.take()]]);
    closeWhatIsClosed();
    form.dataset.state = "second";
  },
});
