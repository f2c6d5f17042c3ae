// What is said to the person: to the ear, above the interview, and in the bar.

const voice = document.getElementById("said");
const notices = document.getElementById("notices");
const sign = document.getElementById("kept");

export const screen = JSON.parse(document.getElementById("screen").textContent);
export const { texts } = screen;

export function say(text) {
  voice.textContent = text;
}

/** Put `values` in the places of %(name)s. */
export function fill(text, values) {
  return text.replace(/%\((\w+)\)[sdg]/g, (_all, name) => values[name]);
}

/** A sentence above the interview; `actions` are [words, what happens]. One of a kind at a time. */
export function notice(kind, text = "", actions = [], tone = "warning") {
  notices.querySelector(`[data-kind="${kind}"]`)?.remove();
  if (!text) return;
  const line = document.createElement("p");
  line.className = `notice ${tone}`;
  line.dataset.kind = kind;
  line.append(text, " ");
  for (const [words, act] of actions) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link";
    button.textContent = words;
    button.addEventListener("click", () => {
      line.remove();
      act();
    });
    line.append(button, " ");
  }
  notices.append(line);
  say(text);
}

const clock = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
let draft = "";
let signedOut = false; // a draft was not taken for it
let outbox = { waiting: 0, state: "" };

/** Say where the draft is kept: "saved", "device", "signedOut", or "" for nothing to say. */
export function sayDraft(name) {
  if (name === "signedOut") signedOut = true;
  else if (name === "saved") signedOut = false;
  draft = { saved: fill(texts.saved, { time: clock.format(new Date()) }), device: texts.keptHere, signedOut: texts.keptHere }[name] ?? "";
  showKept();
}

/** Say how many answers wait to be sent, and why. */
export function sayOutbox(now) {
  outbox = now;
  showKept();
}

function showKept() {
  const { waiting, state } = outbox;
  const words = { offline: texts.waitingOffline, signedOut: texts.waitingSignedOut, failing: texts.waitingFailing };
  let text = draft;
  if (waiting) text = fill(words[state] ?? texts.waiting, { count: waiting });
  else if (!navigator.onLine) text = texts.offline;
  sign.hidden = false;
  if (sign.textContent !== text) sign.textContent = text;
  sign.classList.toggle("look", waiting > 0 || !navigator.onLine);
  const mustSignIn = signedOut || (waiting > 0 && state === "signedOut");
  if (mustSignIn !== Boolean(notices.querySelector('[data-kind="sign-in"]'))) {
    const open = () => window.open(screen.urls.signIn, "_blank", "noopener");
    notice("sign-in", mustSignIn ? texts.signIn : "", [[texts.openSignIn, open]]);
  }
}

window.addEventListener("online", showKept);
window.addEventListener("offline", showKept);
