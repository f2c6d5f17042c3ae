// Where things are kept: drafts, answers that wait to be sent, the next interviews; and what was
// entered for an interview when it comes back.

import { read } from "./answers.js";
import { createAhead } from "./ahead.js";
import { desk, replace } from "./desk.js";
import { createDrafts } from "./drafts.js";
import { notice, sayDraft, sayOutbox, screen, texts } from "./notices.js";
import { createOutbox } from "./outbox.js";
import { chooseVersion } from "./versions.js";

/** Who is told: what was asked for here is done elsewhere. */
export const told = {
  open: async () => {}, // show an assignment or its second look, with answers to begin with
  done: () => {}, // an entry of the outbox has arrived
};

export const urlOf = (assignment, what = "") => `${screen.urls.api}${assignment}/${what}`;

function keep(name, stage, path) {
  return createDrafts(screen.person, {
    name,
    urlOf: (assignment) => urlOf(assignment, path),
    mayPut: () => desk.writable && navigator.onLine,
    state: sayDraft,
    conflict(assignment, there) {
      if (assignment === desk.question.assignment && stage === desk.stage) compare(there, null);
    },
  });
}

export const drafts = keep("drafts", "blind", "draft/");
export const seconds = keep("seconds", "second", "second/draft/");

/** The drafts that belong to a stage, or to a kind of what is sent. */
export function draftsOf(stage) {
  return stage === "second" ? seconds : drafts;
}

export const outbox = createOutbox(screen.person, {
  async prepare({ kind, assignment, body }) {
    const own = draftsOf(kind);
    await own.settled(assignment); // a draft that is on its way goes before it
    return "version" in body ? { ...body, version: own.versionOf(assignment) ?? body.version } : body;
  },
  changed: sayOutbox,
  done: (entry, body) => told.done(entry, body),
  refused(entry, body) {
    sayRefused(entry, body.detail || texts.refused);
  },
  conflict(entry, there) {
    const own = draftsOf(entry.kind);
    entry.tries = (entry.tries ?? 0) + 1;
    if (entry.tries < 4 && (entry.overwrites || own.isOwn(there))) {
      own.know(entry.assignment, there.version);
      entry.body.version = there.version;
      return true;
    }
    notice(`refused-${entry.assignment}`, texts.changedElsewhere, [[texts.chooseNow, async () => {
      if (entry.assignment !== desk.question.assignment || stageOf(entry) !== desk.stage) await reopen(entry);
      compare(there, entry);
    }]]);
    return false;
  },
});

export const ahead = createAhead(screen.urls.api, {
  lost(assignment) {
    if (assignment === desk.question.assignment) notice("lost", texts.lost);
  },
});

/** Assignments that are not to be handed out again: what waits here to be sent. */
export function taken() {
  return [...new Set(outbox.all().map((entry) => entry.assignment))];
}

const stageOf = (entry) => (entry.kind === "second" ? "second" : "blind");

function reopen(entry) {
  return told.open(entry.assignment, { answers: entry.body.answers, stage: stageOf(entry) });
}

/** Say that an answer was not taken, and why; it is kept until its coder has looked at it. */
export function sayRefused(entry, why = texts.refused) {
  notice(`refused-${entry.assignment}`, why, [
    [texts.openIt, () => { outbox.remove(entry); reopen(entry); }],
    [texts.dismiss, () => outbox.remove(entry)],
  ]);
}

/** Answers in the browser and others at the server: let the person choose. */
function compare({ version, draft, answered }, entry) {
  const { assignment } = desk.question;
  const own = draftsOf(desk.stage);
  const theirs = draft?.answers ?? draft ?? answered;
  const mine = entry?.body.answers ?? read();
  desk.question.version = version;
  own.know(assignment, version);
  if (!theirs?.said) {
    own.put(assignment);
    return;
  }
  chooseVersion(mine, theirs, () => {
    if (entry) {
      outbox.remove(entry);
      outbox.add({ ...entry, refused: false, overwrites: true, tries: 0, body: { ...entry.body, version } });
    } else {
      own.keep(assignment, version, mine);
    }
  }, () => {
    if (entry) outbox.remove(entry);
    replace(theirs, true);
  });
}

/** What this browser or the server kept of what was entered for `question` in this `stage`. */
export function enteredBefore(question, stage = "blind") {
  const kind = stage === "second" ? "second" : "answer";
  const own = draftsOf(stage);
  if (question.locked && stage === "blind") { // what can't be sent any more is not what holds
    own.forget(question.assignment);
    return question.answered;
  }
  const waiting = outbox.of(question.assignment).findLast((entry) => entry.kind === kind);
  if (waiting) return waiting.body.answers;
  const { draft, version } = question;
  const there = draft?.answers ?? draft;
  const record = own.of(question.assignment);
  if (record && !record.synced) {
    const follows = record.version === version || !there || own.isOwn(question);
    notice("restored", texts.restored, [], "");
    if (follows) {
      own.know(question.assignment, version);
      own.put(question.assignment);
    } else {
      queueMicrotask(() => compare(question, null));
    }
    return record.answers;
  }
  if (record && !record.sent && record.version >= version) {
    notice("restored", texts.restored, [], "");
    return record.answers; // also where this page knew the question before it was entered
  }
  if (record) own.forget(question.assignment); // the server had it; what it has now holds
  if (!there?.said) return question.answered;
  notice("restored", texts.restored, [], "");
  return there;
}
