// From one interview to the next and back: what is sent, what comes then, what waits to be looked at.

import { missing, read } from "./answers.js";
import { desk, isClosed, isUntouched } from "./desk.js";
import { ahead, draftsOf, outbox, taken, told, urlOf } from "./keeping.js";
import { fill, notice, say, sayDraft, screen, texts } from "./notices.js";
import { uuid } from "./outbox.js";
import { secondsAtWork } from "./pace.js";
import { remember } from "./recent.js";
import * as rows from "./rows.js";
import { look, open, seen, show, trail } from "./showing.js";

const AGAIN = 3000; // milliseconds until what could not be had is asked for again

let busy = false; // on the way to the next interview
let ending = false; // the last one is done; leave when everything is sent
let leaving = false;
let stuck = ""; // what stood there when no next interview could be had
const later = []; // answers that the server has something to show about

// ── What has arrived ──

told.done = (entry, body) => {
  if (entry.kind !== "flag") arrived(entry, body);
  sayDraft("saved");
  if (ending && !outbox.count() && !later.length) leave();
  else if (stuck && stuck === JSON.stringify(read()) && !outbox.count()) step(); // somebody is there again
};

function arrived(entry, body) {
  const known = seen.get(entry.assignment);
  if (known) {
    known.version = body.version ?? known.version;
    known.draft = null;
    if (entry.kind === "answer") Object.assign(known, { answered: entry.body.answers, skipped: null });
    if (entry.kind === "skip") known.skipped = entry.body;
  }
  // What is entered there anew, while it was on its way, stays.
  const own = draftsOf(entry.kind);
  if (own.of(entry.assignment)?.sent) own.forget(entry.assignment);
  else own.know(entry.assignment, body.version);
  if (body.second || body.feedback) lookAgain(entry.assignment, body.second ? "second" : "feedback");
}

// ── Going back ──

/** Show the interview before this one, to change what was said of it. */
export async function back() {
  const before = trail.pop() ?? screen.previous;
  if (!before || busy) {
    say(texts.nothingToUndo);
    return;
  }
  screen.previous = null;
  busy = true;
  const way = [...trail];
  await open(before, { reopen: desk.writable });
  trail.splice(0, trail.length, ...way); // going back is not on the way forth
  busy = false;
}

// ── Going on ──

function leave() {
  leaving = true;
  location.assign(screen.urls.review);
}

/** Show what comes next: an answer to look at again, an interview from memory, or one asked for. */
async function next() {
  ending = false;
  stuck = "";
  notice("gap");
  if (await lookAtNext()) return;
  const { assignment } = desk.question;
  let question = ahead.take(assignment);
  if (!question) {
    say(texts.fetching);
    await ahead.refill(assignment, taken());
    if (await lookAtNext()) return; // the answer has arrived meanwhile
    question = ahead.take(assignment);
  }
  if (question) {
    show(question);
    performance.mark("review-shown");
    say(document.getElementById("place").textContent);
    ahead.shown(question.assignment);
    ahead.refill(question.assignment, taken());
  } else if (ahead.isOver() && !outbox.count()) {
    leave();
  } else {
    ending = ahead.isOver();
    if (!ending) stuck = JSON.stringify(read());
    notice("gap", ending ? texts.allDoneHere : texts.noMoreHere, [[texts.tryAgain, step]]);
  }
}

/** Show the first answer that there is something to say about; false where none is left. */
async function lookAtNext() {
  const [again] = later.splice(0, 1);
  if (!again) return false;
  const outcome = await look(again);
  if (outcome === "later") {
    later.unshift(again);
    notice("gap", texts.noMoreHere, [[texts.tryAgain, step]]);
    setTimeout(turnBack, AGAIN);
  }
  return outcome === "nothing" ? lookAtNext() : true;
}

/** One step at a time: two clicks are one. */
async function once(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
  } finally {
    busy = false;
  }
}

export function step() {
  return once(next);
}

/** Put the answers in the outbox and go on; say what is missing where something is. */
export function submit() {
  return once(async () => {
    const { question, stage } = desk;
    const { assignment } = question;
    if (stage === "feedback" || (question.locked && stage === "blind")) {
      await next();
      return;
    }
    if (isClosed()) return;
    const gap = missing(screen.evidenceRequired);
    if (gap) {
      showGap(gap);
      return;
    }
    performance.mark("review-enter");
    const id = uuid();
    const entry = { id, at: Date.now(), assignment, kind: "answer", url: urlOf(assignment, "answer/") };
    entry.body = { client_id: id, answers: read(), version: question.version };
    if (stage === "second") {
      Object.assign(entry, { kind: "second", url: urlOf(assignment, "second/") });
    } else {
      entry.body.seconds = secondsAtWork();
      question.answered = entry.body.answers;
      remember(entry.body.answers);
    }
    // The next one does not wait for it: until it lies in the outbox, it lies among the drafts.
    outbox.add(entry).then(() => draftsOf(stage).sent(assignment, question.version, entry.body.answers));
    await next();
  });
}

const NAMED = 5; // codes that one sentence names

function showGap({ why, dimension, codes: open }) {
  const words = {
    codes: open.length > NAMED ? texts.openMany : texts.openCodes, dimension: texts.openDimension, value: texts.wrongValue, evidence: texts.needsEvidence,
  };
  const [first] = open;
  notice("gap", fill(words[why], {
    dimension: dimension.label, codes: open.slice(0, NAMED).map((code) => code.label).join(texts.comma),
    count: open.length,
    code: first.label, low: Number(first.value?.min), high: Number(first.value?.max),
  }));
  rows.goTo(first);
}

export function skip(why, note) {
  return once(async () => {
    if (isClosed() || desk.stage !== "blind") return;
    if (why === "other" && !note) {
      notice("gap", texts.sayWhy);
      document.getElementById("why").focus();
      return;
    }
    const { question } = desk;
    const id = uuid();
    question.skipped = { why, note };
    outbox.add({
      id, at: Date.now(), kind: "skip", assignment: question.assignment,
      url: urlOf(question.assignment, "skip/"), body: { client_id: id, why, note },
    });
    await next();
  });
}

export function flag(why) {
  const { question } = desk;
  if (why === (question.flagged ?? "")) return;
  question.flagged = why;
  outbox.add({
    id: uuid(), at: Date.now(), kind: "flag", assignment: question.assignment,
    url: urlOf(question.assignment, "flag/"), body: { why },
  });
  say(why ? texts.flagged : texts.unflagged);
}

// ── After the answer: the machine's, or the key of a training round ──

/** The server has something to show about an answer. */
function lookAgain(assignment, stage) {
  later.push({ assignment, stage });
  turnBack();
}

/** Go to what waits to be looked at, if nothing else was begun. */
function turnBack() {
  const [again] = later;
  const { question } = desk;
  if (!again || busy) return;
  if (question.assignment === again.assignment) step();
  else if (desk.stage === "blind" && isUntouched()) {
    ahead.giveBack(question);
    step();
  }
}

/** Open the second look or the feedback that an answer given earlier still waits for. */
export function lookAt(assignment, stage) {
  later.push({ assignment, stage });
  return step();
}

// ── The page as a whole ──

window.addEventListener("popstate", (event) => {
  const assignment = event.state?.assignment ?? Number(location.pathname.split("/").at(-2));
  if (assignment !== desk.question.assignment) open(assignment, { push: false });
});
window.addEventListener("beforeunload", (event) => {
  if (outbox.count() && !leaving) event.preventDefault();
});
window.addEventListener("pagehide", () => ahead.release(taken()));
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
function hold() {
  if (!document.hidden && desk.writable) ahead.hold(desk.question.assignment);
}
document.addEventListener("visibilitychange", hold);
setInterval(hold, 90_000);
