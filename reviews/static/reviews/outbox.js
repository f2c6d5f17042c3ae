// What was answered and has not arrived. It lies in the browser's database and outlives the tab, the
// connection and the sign-in; each piece has a name of its own, so that sent twice it counts once.

import * as kept from "./vendor/idb-keyval-6.3.0.js";
import { ask, isPassing, isSignedOut, pauseAfter } from "./server.js";

/** A name that no other answer has; also where the page came over plain HTTP. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * The outbox of `person`. An entry is { id, at, kind, assignment, url, body }.
 *
 * `prepare(entry)` gives what is sent when its turn comes; `done(entry, body)`, `refused(entry, body, status)` and
 * `conflict(entry, body)` say how it went; `changed(state)` whenever what waits is different.
 */
export function createOutbox(person, { prepare, done, refused, conflict, changed }) {
  const store = kept.createStore(`concord-outbox-${person}`, "entries");
  let waiting = [];
  let memory = false; // the browser keeps nothing: what waits lives as long as this page
  let sending = null;
  let onItsWay = null;
  let tries = 0;
  let timer = 0;
  let open = false;
  let state = "";

  function tell(now) {
    state = now;
    changed({ waiting: waiting.filter((entry) => !entry.refused).length, state });
  }

  async function load() {
    try {
      const stored = await kept.values(store);
      const here = new Set(waiting.map((entry) => entry.id));
      waiting = [...waiting, ...stored.filter((entry) => !here.has(entry.id))].sort((a, b) => a.at - b.at);
    } catch {
      memory = true;
    }
    tell(state);
  }

  async function put(entry) {
    if (memory) return;
    try {
      await kept.set(entry.id, entry, store);
    } catch {
      memory = true;
    }
  }

  async function remove(entry) {
    waiting = waiting.filter((one) => one.id !== entry.id);
    if (!memory) await kept.del(entry.id, store).catch(() => {});
  }

  /** Put an entry in; it takes the place of what waits for the same assignment and is not on its way. */
  async function add(entry) {
    const older = waiting.filter((one) => one !== sending && one.assignment === entry.assignment && one.kind === entry.kind);
    waiting.push(entry);
    tell(state);
    await put(entry);
    for (const one of older) await remove(one);
    flush();
  }

  /** Take back what waits for an assignment, unless it is on its way; returns it. */
  async function takeBack(assignment) {
    const entry = waiting.findLast((one) => one.assignment === assignment && one !== sending && one.kind !== "flag");
    if (entry) {
      await remove(entry);
      tell(state);
    }
    return entry;
  }

  /** Wait until what is on its way for an assignment has arrived, or has not. */
  async function settled(assignment) {
    if (sending?.assignment === assignment) await onItsWay;
  }

  function later(now) {
    clearTimeout(timer);
    tries += 1;
    const wait = pauseAfter(tries);
    timer = setTimeout(flush, wait / 2 + Math.random() * (wait / 2));
    tell(now);
  }

  async function flush() {
    clearTimeout(timer);
    if (!open || sending) return;
    for (let entry = next(); entry; entry = next()) {
      sending = entry;
      tell(navigator.onLine ? "sending" : "offline");
      onItsWay = send(entry);
      const goOn = await onItsWay;
      if (!goOn) return;
    }
    tell("");
  }

  /** Send one entry and deal with what comes back; false if the others have to wait. */
  async function send(entry) {
    const outcome = await ask(entry.url, await prepare(entry));
    const { status, body } = outcome;
    if (outcome.ok) {
      await remove(entry);
      tries = 0;
      sending = null;
      done(entry, body);
      return true;
    }
    sending = null;
    if (isPassing(outcome)) {
      later(navigator.onLine && status ? "failing" : "offline");
      return false;
    }
    if (isSignedOut(outcome)) { // which ends with the next sign-in
      later(body.code === "permission_denied" ? "failing" : "signedOut");
      if (body.code === "permission_denied") ask(location.href);
      return false;
    }
    if (status === 409 && conflict(entry, body)) return true; // again, with what it follows now
    entry.refused = true; // kept, and shown, until its coder has seen why
    await put(entry);
    if (status !== 409) refused(entry, body);
    return true;
  }

  function next() {
    return waiting.find((entry) => !entry.refused);
  }

  window.addEventListener("online", () => { tries = 0; flush(); });
  window.addEventListener("offline", () => tell("offline"));
  document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting.length) flush(); });

  return {
    add,
    takeBack,
    settled,
    remove,
    flush,
    /** What waits for an assignment, latest last. */
    of: (assignment) => waiting.filter((entry) => entry.assignment === assignment),
    refused: () => waiting.filter((entry) => entry.refused),
    count: () => waiting.filter((entry) => !entry.refused).length,
    all: () => waiting,
    /** From now on this tab sends; until then it only collects. */
    async start() {
      await load();
      open = true;
      flush();
    },
    load,
    stop() { open = false; },
  };
}
