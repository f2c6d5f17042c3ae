// What lies on the desk: the interview on the page and what is entered for it. Every change to the
// answers goes through here, so that it is painted, kept and can be undone.

import {
  answerOf, answerRest, choose, codeAt, codes, dimensions, passagesOf, read, setPassages, write,
} from "./answers.js";
import { isTranslation, selection, showChosen } from "./evidence.js";
import { notice, say, texts } from "./notices.js";
import * as rows from "./rows.js";

const form = document.getElementById("review");
const MOST = 200; // changes that can be undone

export const desk = {
  question: null, // what is on the page, as the server gave it
  stage: "blind", // or "second", "feedback"
  writable: false, // this tab is the one that writes
  selected: [], // what was selected last in the interview
  onChange: () => {}, // told the answers after each change
};
let changes = []; // what stood before each change, latest last
let stands = ""; // what stands now, to tell a change from none

/** Whether nothing can be entered: another tab writes, or the answer is settled. */
export function isClosed() {
  const { question, stage, writable } = desk;
  return !writable || stage === "feedback" || Boolean(question.locked && stage === "blind");
}

/** Begin with `answers`; what came before can't be undone. */
export function begin(answers) {
  write(answers);
  changes = [];
  stands = JSON.stringify(read());
  select([]);
  rows.paintAll();
}

export function isUntouched() {
  return !changes.length;
}

/** Something was entered: paint the codes it touches, keep it, remember what stood before. */
export function changed(touched, source = "") {
  for (const code of touched) rows.paint(code);
  const now = JSON.stringify(read());
  if (now === stands) return;
  // A note is one change, not one for each letter.
  if (!(source === "note" && changes.at(-1)?.source === "note")) changes.push({ answers: stands, source });
  if (changes.length > MOST) changes.shift();
  stands = now;
  notice("gap");
  desk.onChange(JSON.parse(now));
}

/** Take back the last change; false where there is none. */
export function undo() {
  const last = isClosed() ? null : changes.pop();
  if (!last) return false;
  replace(JSON.parse(last.answers));
  say(texts.undone);
  return true;
}

/** Put `answers` in the place of what stands; `undoable` lets it be taken back. */
export function replace(answers, undoable = false) {
  if (undoable) changes.push({ answers: stands, source: "" });
  write(answers);
  stands = JSON.stringify(read());
  rows.paintAll();
  desk.onChange(JSON.parse(stands));
}

/** The codes that an answer to `code` touches: all of a question that takes one. */
function around(code) {
  return code.dimension.kind === "one" ? codes.filter((one) => one.dimension === code.dimension) : [code];
}

export function selectedNow() {
  return desk.selected.length ? desk.selected : selection();
}

/** Whether words of a translation are selected; says then that they are no evidence. */
export function refuseTranslation() {
  if (desk.selected.length || !isTranslation()) return false;
  window.getSelection().removeAllRanges();
  notice("gap", texts.ofTranslation, [], "");
  return true;
}

/** Hold `passages` for the code that comes next, and show them as long as they wait for it. */
export function select(passages) {
  desk.selected = passages;
  showChosen(passages);
}

/** Let go of what is selected; false where nothing is. */
export function letGo() {
  if (!desk.selected.length) return false;
  select([]);
  window.getSelection().removeAllRanges();
  return true;
}

function attach(code, passages) {
  setPassages(code, [...passagesOf(code), ...passages]);
  select([]);
  window.getSelection().removeAllRanges();
}

/** Answer for `code`, with the words that are selected as evidence. */
export function give(code, answer) {
  if (isClosed() || (answer && answer !== "no" && refuseTranslation())) return;
  const words = answer === "yes" || answer === "unsure" ? selectedNow() : [];
  choose(code, answer);
  if (words.length) attach(code, words);
  code.dimension.left.checked = false;
  changed(around(code));
  say(`${code.label}: ${answer ? texts[answer] : texts.noAnswer}. ${words.length ? texts.added : ""}`);
}

/** No to all, none of these, not expressed. */
export function giveRest(dimension) {
  if (isClosed()) return;
  dimension.left.checked = false;
  changed(answerRest(dimension));
  say((dimension.rest.closest("label") ?? dimension.rest).textContent.trim());
}

/** Add the words that are selected as evidence for `code`, which then applies. */
export function addSelection(code) {
  if (isClosed() || refuseTranslation()) return;
  const passages = selectedNow();
  if (!passages.length) {
    notice("gap", texts.nothing, [], "");
    return;
  }
  if (code.dimension.kind !== "scale" && answerOf(code) !== "unsure") choose(code, "yes");
  attach(code, passages);
  changed(around(code));
  say(`${code.label}: ${texts.added}`);
}

export function removePassage(code, passage) {
  if (isClosed()) return;
  setPassages(code, passagesOf(code).filter((one) => one.join("-") !== passage.join("-")));
  changed([code]);
  say(texts.removed);
}

/** Take in what was entered in a field of the form. */
export function entered(target) {
  const code = codeAt(target);
  if (code?.dimension.kind === "scale") {
    if (target === code.slider) code.value.value = code.slider.value;
    else if (code.value.value !== "") code.slider.value = code.value.value;
    if (code.value.value !== "") code.dimension.rest.checked = false;
    changed([code]);
    return;
  }
  const dimension = dimensions.find((one) => one.rest === target);
  if (dimension) {
    changed(target.checked ? answerRest(dimension) : codes.filter((one) => one.dimension === dimension));
  } else {
    changed(code ? around(code) : [], target.id);
  }
}

/** Let nothing be entered where nothing can be. */
export function closeWhatIsClosed() {
  const closed = isClosed();
  form.classList.toggle("closed", closed);
  for (const field of document.querySelectorAll("#codes :is(input:not([type=hidden]), textarea, .rest-button)")) field.disabled = closed;
  for (const field of document.querySelectorAll("#save, #skip button, #flagged")) field.disabled = !desk.writable;
}
