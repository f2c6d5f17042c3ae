// The next interviews, asked for before they are wanted: a short lease each, not yet seen.

import { ask, tell } from "./server.js";

const WANTED = 2;

/** Keep the next interviews at hand; `lost(assignment)` says that a seat went to somebody else. */
export function createAhead(api, { lost }) {
  let questions = [];
  let filling = null;
  let over = false;

  async function fill(current, taken) {
    const have = [...new Set([current, ...questions.map((one) => one.assignment), ...taken])];
    const outcome = await ask(`${api}next/`, { have, want: WANTED - questions.length });
    if (!outcome.ok) return;
    const known = new Set(have);
    questions.push(...outcome.body.questions.filter((one) => !known.has(one.assignment)));
    over = !questions.length;
    performance.mark("review-ahead");
  }

  return {
    /** The next interview, undefined if none is at hand. */
    take(current) {
      questions = questions.filter((one) => one.assignment !== current);
      return questions.shift();
    },
    /** Ask for as many as are missing; one request at a time. */
    async refill(current, taken) {
      if (filling) await filling;
      if (questions.length >= WANTED) return;
      filling = fill(current, taken);
      await filling;
      filling = null;
    },
    giveBack(question) {
      questions = [question, ...questions.filter((one) => one.assignment !== question.assignment)];
    },
    /** Whether the server had no more when it was asked last. */
    isOver: () => over,
    async shown(assignment) {
      const outcome = await ask(`${api}${assignment}/shown/`, {});
      if (outcome.status === 410) lost(assignment);
    },
    /** Renew the leases of what is shown and what is at hand. */
    async hold(current) {
      const assignments = [current, ...questions.map((one) => one.assignment)];
      const outcome = await ask(`${api}hold/`, { assignments });
      const gone = outcome.ok ? outcome.body.lost : [];
      questions = questions.filter((one) => !gone.includes(one.assignment));
      if (gone.includes(current)) lost(current);
    },
    /** Give back what was not looked at, while the page goes away. */
    release(taken) {
      const rest = questions.filter((one) => !taken.includes(one.assignment));
      questions = [];
      if (rest.length) tell(`${api}release/`, rest.map((one) => ["assignments", one.assignment]));
    },
  };
}
