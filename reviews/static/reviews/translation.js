// A translation beside the interview: asked for when it is wanted, and gone with the next interview.
// Its words are for reading; they are no evidence and are not found.

import { desk } from "./desk.js";
import { urlOf } from "./keeping.js";
import { notice, say, texts } from "./notices.js";
import { ask } from "./server.js";

const button = document.getElementById("translation");
const line = document.getElementById("translated-by");
const list = document.getElementById("turns");
let asking = null; // the question whose translation is on its way

function translatedTurn(words, language) {
  const element = document.createElement("div");
  element.className = "translated";
  const name = document.createElement("span");
  name.className = "visually-hidden";
  name.textContent = texts.translated;
  const said = document.createElement("p");
  said.lang = language;
  said.dir = "auto";
  said.textContent = words;
  element.append(name, said);
  return element;
}

/** Do `change`; what was in sight stays where it was. */
function inPlace(change) {
  const turn = [...list.children].find((one) => one.getBoundingClientRect().bottom > 0);
  const before = turn?.getBoundingClientRect().top;
  change();
  if (turn && window.scrollY > 0) window.scrollBy({ top: turn.getBoundingClientRect().top - before, behavior: "instant" });
}

function clear() {
  for (const one of list.querySelectorAll(".translated")) one.remove();
  list.classList.remove("beside");
  line.hidden = true;
  line.replaceChildren();
  button.setAttribute("aria-pressed", "false");
}

function showTranslation({ by, language, turns }) {
  for (const turn of list.children) {
    const words = turns[turn.querySelector(".words").dataset.start];
    if (words) turn.append(translatedTurn(words, language));
  }
  list.classList.add("beside");
  const maker = document.createElement("bdi");
  maker.textContent = by;
  line.replaceChildren(maker, ` ${texts.original}`);
  line.hidden = false;
  button.setAttribute("aria-pressed", "true");
  say(line.textContent);
}

/** Show the interview alone, and a button where there is a translation of it. */
export function hideTranslation() {
  clear();
  notice("translation");
  button.hidden = !desk.question.translation;
  button.disabled = false;
  asking = null;
}

/** Show the translation of the interview on the page, or hide it. */
export async function toggleTranslation() {
  const { question } = desk;
  if (!question.translation || asking === question) return;
  notice("translation");
  if (list.classList.contains("beside")) {
    inPlace(clear);
    say(texts.translationHidden);
    return;
  }
  if (!question.translated) {
    asking = question;
    button.setAttribute("aria-busy", "true");
    const outcome = await ask(urlOf(question.assignment, "translation/"), {});
    button.removeAttribute("aria-busy");
    if (asking !== question) return; // another interview is on the page by now
    asking = null;
    if (!outcome.ok) {
      notice("translation", texts.noTranslation);
      return;
    }
    question.translated = outcome.body;
  }
  inPlace(() => showTranslation(question.translated));
}
