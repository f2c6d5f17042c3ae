// What is entered and not submitted: kept in the browser at once, at the server a second later.

import * as kept from "./vendor/idb-keyval-6.3.0.js";
import { ask, isPassing, isSignedOut, pauseAfter } from "./server.js";

const PAUSE = 1000; // milliseconds without a change before the server is told

/**
 * The drafts of `person`, kept in the browser under `name`. A record is { assignment, version, answers, at, synced }.
 *
 * `urlOf(assignment)` is where one is put; `state(name)` says "device", "saved", "signedOut" or "";
 * `conflict(assignment, body)` is called where the server knows a later one from elsewhere.
 */
export function createDrafts(person, { name, urlOf, state, conflict, mayPut }) {
  const store = kept.createStore(`concord-${name}-${person}`, name);
  const records = new Map();
  const putting = new Map(); // assignment -> promise
  let writing = null;
  let dirty = new Set();
  let timer = 0;
  let again = 0; // the next try to put what did not arrive
  let tries = 0;
  let failed = false;
  const device = deviceName();

  async function write() {
    if (writing) return;
    while (dirty.size) {
      const now = [...dirty];
      dirty = new Set();
      const here = now.filter((pk) => records.has(pk)).map((pk) => [pk, records.get(pk)]);
      const gone = now.filter((pk) => !records.has(pk));
      writing = Promise.all([kept.setMany(here, store), kept.delMany(gone, store)]);
      try {
        await writing;
        failed = false;
      } catch {
        failed = true; // forbidden or full: the server still has it a second later
      }
      writing = null;
    }
  }

  function touch(assignment) {
    dirty.add(assignment);
    write();
  }

  /** Keep `answers`, now in the browser and soon at the server. */
  function keep(assignment, version, answers) {
    const before = records.get(assignment);
    records.set(assignment, {
      assignment, answers, at: Date.now(), synced: false, version: before?.version ?? version,
    });
    touch(assignment);
    state(failed ? "" : "device");
    clearTimeout(timer);
    timer = setTimeout(() => put(assignment), PAUSE);
  }

  /** Tell the server now; resolves when it has it or can't be told. */
  async function put(assignment) {
    clearTimeout(timer);
    if (putting.has(assignment)) await putting.get(assignment);
    const record = records.get(assignment);
    if (!record || record.synced || record.sent || !mayPut()) return;
    const sent = record.answers;
    const work = ask(urlOf(assignment), {
      version: record.version, draft: { ...sent, device, at: record.at },
    }, "PUT");
    putting.set(assignment, work);
    const outcome = await work;
    putting.delete(assignment);
    if (outcome.ok) {
      record.version = outcome.body.version;
      const latest = records.get(assignment);
      if (latest) latest.version = outcome.body.version;
      tries = 0;
      if (latest === record) {
        record.synced = true;
        state("saved");
      }
      touch(assignment);
    } else if (outcome.status === 409) {
      if (isOwn(outcome.body)) {
        record.version = outcome.body.version;
        const latest = records.get(assignment);
        if (latest) latest.version = outcome.body.version;
        await put(assignment);
      } else {
        conflict(assignment, outcome.body);
      }
    } else if (isSignedOut(outcome)) {
      if (outcome.body.code === "permission_denied") ask(location.href); // brings the token
      else state("signedOut");
      later();
    } else if (isPassing(outcome)) {
      later();
    }
  }

  /** Tell the server of everything that it does not have. */
  function putAll() {
    clearTimeout(again);
    for (const record of records.values()) if (!record.synced) put(record.assignment);
  }

  function later() {
    clearTimeout(again);
    tries += 1;
    again = setTimeout(putAll, pauseAfter(tries));
  }

  function putNow() {
    if (tries) putAll();
  }

  /** Whether what the server has came from this browser: then there is nothing to choose. */
  function isOwn({ draft }) {
    return draft?.device === device;
  }

  window.addEventListener("online", putAll);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) putNow(); });

  return {
    keep,
    put,
    isOwn,
    of: (assignment) => records.get(assignment),
    /** What was entered and not sent. */
    unsent: () => [...records.values()].filter((record) => !record.sent),
    /** The version to send with an answer, once no draft is on its way. */
    async settled(assignment) {
      clearTimeout(timer);
      if (putting.has(assignment)) await putting.get(assignment);
    },
    versionOf: (assignment) => records.get(assignment)?.version,
    /** It was answered: keep what was said until that has arrived. */
    sent(assignment, version, answers) {
      const before = records.get(assignment);
      records.set(assignment, { assignment, answers, at: Date.now(), synced: true, sent: true, version: before?.version ?? version });
      touch(assignment);
    },
    know(assignment, version) {
      const record = records.get(assignment);
      if (record) {
        record.version = version;
        touch(assignment);
      }
    },
    forget(assignment) {
      records.delete(assignment);
      touch(assignment);
    },
    async load() {
      records.clear();
      try {
        for (const record of await kept.values(store)) records.set(record.assignment, record);
      } catch {
        failed = true;
      }
    },
  };
}

// Names this browser, so that it knows its own drafts again.
function deviceName() {
  try {
    const name = localStorage.getItem("concord-device") ?? Math.random().toString(36).slice(2);
    localStorage.setItem("concord-device", name);
    return name;
  } catch {
    return Math.random().toString(36).slice(2);
  }
}
