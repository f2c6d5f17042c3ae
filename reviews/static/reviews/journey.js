// From one interview to the next and back: what is shown, what is sent, what waits to be looked at.

import { missing, read } from "./answers.js";
import { createAhead } from "./ahead.js";
import { begin, closeWhatIsClosed, desk, isClosed, isUntouched, replace } from "./desk.js";
import { createDrafts } from "./drafts.js";
import { readTurns } from "./evidence.js";
import { hasTurns, showPlace, showTurns } from "./interview.js";
import { hideMachine, showFeedback, showSecond } from "./machine.js";
import { fill, notice, say, sayDraft, sayOutbox, screen, texts } from "./notices.js";
import { createOutbox, uuid } from "./outbox.js";
import { remember, showRecent } from "./recent.js";
import * as rows from "./rows.js";
import { ask } from "./server.js";
import { chooseVersion } from "./versions.js";

const { urls } = screen;
const MOST = 8; // interviews that are kept in memory to go back to
const IDLE = 30_000; // milliseconds without a sign of life after which nobody is at work

let busy = false; // on the way to the next interview
let ending = false; // the last one is done; leave when everything is sent
let leaving = false;
let later = []; // answers that the server has something to show about
let worked = { seconds: 0, last: 0 };
const seen = new Map(); // the last interviews, latest last
const trail = []; // the way here, for Backspace

const urlOf = (assignment, what = "") => `${urls.api}${assignment}/${what}`;
const addressOf = (assignment) => urls.item.replace("/0/", `/${assignment}/`);

// ── Where things are kept ──

export const drafts = createDrafts(screen.person, {
  urlOf: (assignment) => urlOf(assignment, "draft/"),
  mayPut: () => desk.writable && navigator.onLine,
  state: sayDraft,
  conflict(assignment, there) {
    if (assignment === desk.question.assignment) compare(there, null);
  },
});

export const outbox = createOutbox(screen.person, {
  async prepare({ kind, assignment, body }) {
    await drafts.settled(assignment); // a draft that is on its way goes before it
    return "version" in body ? { ...body, version: drafts.versionOf(assignment) ?? body.version } : body;
  },
  changed: sayOutbox,
  done(entry, body) {
    if (entry.kind !== "flag") arrived(entry, body);
    sayDraft("saved");
    if (ending && !outbox.count() && !later.length) leave();
  },
  refused(entry, body) {
    sayRefused(entry, body.detail || texts.refused);
  },
  conflict(entry, there) {
    entry.tries = (entry.tries ?? 0) + 1;
    if (entry.tries < 4 && (entry.overwrites || drafts.isOwn(there))) {
      drafts.know(entry.assignment, there.version);
      entry.body.version = there.version;
      return true;
    }
    notice(`refused-${entry.assignment}`, texts.changedElsewhere, [[texts.chooseNow, async () => {
      if (entry.assignment !== desk.question.assignment) await open(entry.assignment, { answers: entry.body.answers });
      compare(there, entry);
    }]]);
    return false;
  },
});

export const ahead = createAhead(urls.api, {
  lost(assignment) {
    if (assignment === desk.question.assignment) notice("lost", texts.lost);
  },
});

function arrived(entry, body) {
  const known = seen.get(entry.assignment);
  if (known) {
    known.version = body.version ?? known.version;
    known.draft = null;
    if (entry.kind === "answer") Object.assign(known, { answered: entry.body.answers, skipped: null });
    if (entry.kind === "skip") known.skipped = entry.body;
  }
  // What is entered there anew, while it was on its way, stays.
  if (drafts.of(entry.assignment)?.sent) drafts.forget(entry.assignment);
  else drafts.know(entry.assignment, body.version);
  if (body.second || body.feedback) lookAgain(entry.assignment, body.second ? "second" : "feedback");
}

/** Say that an answer was not taken, and why; it is kept until its coder has looked at it. */
export function sayRefused(entry, why = texts.refused) {
  notice(`refused-${entry.assignment}`, why, [
    [texts.openIt, () => { outbox.remove(entry); open(entry.assignment, { answers: entry.body.answers }); }],
    [texts.dismiss, () => outbox.remove(entry)],
  ]);
}

/** Answers in the browser and others at the server: let the person choose. */
function compare({ version, draft, answered }, entry) {
  const { assignment } = desk.question;
  const theirs = draft?.answers ?? draft ?? answered;
  const mine = entry?.body.answers ?? read();
  desk.question.version = version;
  drafts.know(assignment, version);
  if (!theirs?.said) {
    drafts.put(assignment);
    return;
  }
  chooseVersion(mine, theirs, () => {
    if (entry) {
      outbox.remove(entry);
      outbox.add({ ...entry, refused: false, overwrites: true, tries: 0, body: { ...entry.body, version } });
    } else {
      drafts.keep(assignment, version, mine);
    }
  }, () => {
    if (entry) outbox.remove(entry);
    replace(theirs, true);
  });
}

// ── Showing ──

/** Show `question`; what was entered for it before is there again. */
export function show(question, { push = true, answers = null, stage = "blind" } = {}) {
  if (question.codebook !== screen.question.codebook) {
    location.assign(addressOf(question.assignment)); // another codebook is another page
    return;
  }
  const before = desk.question;
  const isThere = question === before && hasTurns();
  if (before && question !== before && trail.at(-1) !== before.assignment) trail.push(before.assignment);
  Object.assign(desk, { question, stage });
  seen.delete(question.assignment);
  seen.set(question.assignment, question);
  if (seen.size > MOST) seen.delete(seen.keys().next().value);
  if (push) history.pushState({ assignment: question.assignment }, "", addressOf(question.assignment));
  if (isThere) readTurns();
  else showTurns(question);
  showPlace(question, texts);
  hideMachine();
  for (const kind of ["gap", "restored", "lost", "second", "state"]) notice(kind);
  rows.filter("");
  sayDraft("");
  showRecent(stage);
  begin(answers ?? enteredBefore(question));
  worked = { seconds: question.seconds ?? 0, last: Date.now() };
  const panel = document.getElementById("codes");
  rows.goTo(rows.firstOpen(), { focus: panel.contains(document.activeElement), scroll: false });
  panel.scrollTop = 0;
  if (!isThere) window.scrollTo({ top: 0, behavior: "instant" });
  showState(question, stage);
}

function showState(question, stage) {
  document.getElementById("previous").hidden = !trail.length && !screen.previous;
  document.getElementById("answered").hidden = !question.answered || stage !== "blind" || question.locked;
  document.getElementById("problem")?.remove();
  const skip = document.getElementById("skip");
  skip.hidden = Boolean(question.answered);
  skip.open = false;
  document.getElementById("why").value = "";
  document.getElementById("flag").open = Boolean(question.flagged);
  document.getElementById("flagged").value = question.flagged ?? "";
  if (question.locked && stage === "blind") notice("state", texts.locked);
  else if (question.skipped && stage === "blind") notice("state", texts.wasSkipped, [], "");
  const name = stage === "blind" && question.purpose === "training" ? "training" : stage;
  const badge = document.getElementById("stage");
  [badge.textContent, badge.title] = texts.stages[name];
  badge.className = `status ${name === "blind" ? "good" : "look"}`;
  closeWhatIsClosed();
}

/** What this browser or the server kept of what was entered for `question`. */
function enteredBefore(question) {
  const waiting = outbox.of(question.assignment).findLast((entry) => entry.kind === "answer");
  if (waiting) return waiting.body.answers;
  const { draft, version } = question;
  const there = draft?.answers ?? draft;
  const record = drafts.of(question.assignment);
  if (record && !record.synced) {
    const follows = record.version === version || !there || drafts.isOwn(question);
    notice("restored", texts.restored, [], "");
    if (follows) {
      drafts.know(question.assignment, version);
      drafts.put(question.assignment);
    } else {
      queueMicrotask(() => compare(question, null));
    }
    return record.answers;
  }
  if (record && !record.sent && record.version >= version) {
    notice("restored", texts.restored, [], "");
    return record.answers; // also where this page knew the question before it was entered
  }
  if (record) drafts.forget(question.assignment); // the server had it; what it has now holds
  if (!there?.said) return question.answered;
  notice("restored", texts.restored, [], "");
  return there;
}

/** Show an assignment by its number: from memory, or asked for. */
export async function open(assignment, { answers = null, push = true, reopen = false } = {}) {
  const taken = reopen ? await outbox.takeBack(assignment) : null;
  // What is on its way comes first: what the server then says of it is the latest.
  if (navigator.onLine) await outbox.settled(assignment);
  const waiting = taken ?? outbox.of(assignment).findLast((entry) => entry.kind !== "flag");
  const known = seen.get(assignment);
  const given = answers ?? waiting?.body.answers ?? null;
  if (known && (waiting || !navigator.onLine)) {
    show(known, { push, answers: given });
    return;
  }
  const outcome = await (reopen ? ask(urlOf(assignment, "reopen/"), {}) : ask(urlOf(assignment)));
  if (outcome.ok || known) show(outcome.ok ? outcome.body : known, { push, answers: given });
  else notice("gap", outcome.body.detail || texts.notNow);
}

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
  location.assign(urls.review);
}

/** Assignments that are not to be handed out again: what waits here to be sent. */
export function taken() {
  return [...new Set(outbox.all().map((entry) => entry.assignment))];
}

/** Show what comes next: an answer to look at again, an interview from memory, or one asked for. */
async function next() {
  ending = false;
  notice("gap");
  const again = later.shift();
  if (again) {
    await look(again);
    return;
  }
  const { assignment } = desk.question;
  let question = ahead.take(assignment);
  if (!question) {
    say(texts.fetching);
    await ahead.refill(assignment, taken());
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
    notice("gap", ending ? texts.allDoneHere : texts.noMoreHere, [[texts.tryAgain, step]]);
  }
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
      entry.body.seconds = Math.round(worked.seconds);
      question.answered = entry.body.answers;
      remember(entry.body.answers);
    }
    // The next one does not wait for it: until it lies in the outbox, it lies among the drafts.
    outbox.add(entry).then(() => {
      if (entry.kind === "answer") drafts.sent(assignment, question.version, entry.body.answers);
    });
    await next();
  });
}

function showGap({ why, dimension, codes: open }) {
  const words = {
    codes: texts.openCodes, dimension: texts.openDimension, value: texts.wrongValue, evidence: texts.needsEvidence,
  };
  const [first] = open;
  notice("gap", fill(words[why], {
    dimension: dimension.label, codes: open.map((code) => code.label).join(texts.comma),
    code: first.label, low: first.value?.min, high: first.value?.max,
  }));
  rows.goTo(first);
}

export function skip(why, note) {
  return once(async () => {
    if (isClosed() || desk.stage !== "blind") return;
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

/** The server has something to show about an answer: at once if nothing else was begun. */
function lookAgain(assignment, stage) {
  later.push({ assignment, stage });
  const { question } = desk;
  if (busy) return;
  if (question.assignment === assignment) step();
  else if (desk.stage === "blind" && isUntouched()) {
    ahead.giveBack(question);
    step();
  }
}

async function look({ assignment, stage }) {
  const outcome = await ask(urlOf(assignment, `${stage}/`));
  const question = seen.get(assignment) ?? (await ask(urlOf(assignment))).body;
  if (!outcome.ok || !question.turns) {
    if (outcome.ok || outcome.status === 404) await next();
    else {
      later.unshift({ assignment, stage });
      notice("gap", texts.noMoreHere, [[texts.tryAgain, step]]);
    }
    return;
  }
  question.locked = true;
  if (stage === "second") {
    question.version = outcome.body.version ?? question.version;
    show(question, { answers: outcome.body.answers, stage });
    const count = showSecond(outcome.body, texts);
    notice("second", fill(count ? texts.differs : texts.agrees, outcome.body), [], "");
  } else {
    show(question, { answers: question.answered, stage });
    showFeedback(outcome.body, texts);
    notice("second", fill(texts.feedback, outcome.body), [], "");
  }
  rows.goTo(rows.firstOpen(), { scroll: false });
}

/** Open the second look or the feedback that an answer given earlier still waits for. */
export function lookAt(assignment, stage) {
  later.push({ assignment, stage });
  return step();
}

// ── Time at work ──

for (const name of ["keydown", "pointerdown", "scroll", "selectionchange"]) {
  document.addEventListener(name, () => {
    const now = Date.now();
    worked.seconds += Math.min(IDLE, now - worked.last) / 1000;
    worked.last = now;
  }, { passive: true, capture: true });
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
