// One interview on the page, with what was entered for it, and the way by which one came to it.

import { beginWork } from "./pace.js";
import { begin, closeWhatIsClosed, desk } from "./desk.js";
import { readTurns } from "./evidence.js";
import { hasTurns, showPlace, showTurns } from "./interview.js";
import { enteredBefore, outbox, seconds, told, urlOf } from "./keeping.js";
import { hideMachine, showFeedback, showSecond } from "./machine.js";
import { fill, notice, sayDraft, screen, texts } from "./notices.js";
import { showRecent } from "./recent.js";
import * as rows from "./rows.js";
import { ask } from "./server.js";
import { hideTranslation } from "./translation.js";

const MOST = 8; // interviews that are kept in memory to go back to
export const seen = new Map(); // the last interviews, latest last
export const trail = []; // the way here, for Backspace

const addressOf = (assignment) => screen.urls.item.replace("/0/", `/${assignment}/`);

/** Show `question`; what was entered for it before is there again, in a second look what `again` has. */
export function show(question, { push = true, answers = null, stage = "blind", again = question } = {}) {
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
  else {
    showTurns(question);
    hideTranslation(); // it would lead whoever reads the next one
  }
  showPlace(question, texts);
  hideMachine();
  for (const kind of ["gap", "restored", "lost", "second", "state"]) notice(kind);
  rows.filter("");
  sayDraft("");
  showRecent(stage);
  begin(answers ?? enteredBefore(again, stage));
  beginWork(question.seconds);
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

/** Show an assignment by its number, or a second look at it: from memory, or asked for. */
export async function open(assignment, { answers = null, push = true, reopen = false, stage = "blind" } = {}) {
  if (stage === "second") {
    if (await look({ assignment, stage, answers }) !== "shown") notice("gap", texts.notNow);
    return;
  }
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
told.open = open;

/**
 * Show what the server has to say about an answer: the machine's beside it, or the key of a training.
 *
 * Returns "shown", "nothing" where there is nothing (any more), or "later" where nobody was reached.
 */
export async function look({ assignment, stage, answers = null }) {
  const outcome = await ask(urlOf(assignment, `${stage}/`));
  const question = seen.get(assignment) ?? (await ask(urlOf(assignment))).body;
  if (!outcome.ok || !question.turns) {
    const isNothing = outcome.ok || outcome.status === 404;
    if (isNothing && stage === "second") seconds.forget(assignment);
    return isNothing ? "nothing" : "later";
  }
  question.locked = true;
  if (stage === "second") {
    question.version = outcome.body.version ?? question.version;
    show(question, { answers, stage, again: { ...outcome.body, answered: outcome.body.answers } });
    const count = showSecond(outcome.body, texts);
    notice("second", fill(count ? texts.differs : texts.agrees, outcome.body), [], "");
  } else {
    show(question, { answers: question.answered, stage });
    showFeedback(outcome.body, texts);
    notice("second", fill(texts.feedback, outcome.body), [], "");
  }
  rows.goTo(rows.firstOpen(), { scroll: false });
  return "shown";
}
