// Two versions of one interview's answers: the person chooses which one to go on with.

import { codes } from "./answers.js";
import { fill, texts } from "./notices.js";

const dialog = document.getElementById("conflict");

/** Show both and call `onMine()` or `onTheirs()`; closing the dialog leaves it open for later. */
export function chooseVersion(mine, theirs, onMine, onTheirs) {
  if (dialog.open) return;
  for (const [id, answers, act] of [["mine", mine, onMine], ["theirs", theirs, onTheirs]]) {
    document.getElementById(id).replaceChildren(...summary(answers));
    document.getElementById(`take-${id}`).onclick = () => {
      dialog.close();
      act();
    };
  }
  dialog.showModal();
}

function summary(answers) {
  const lines = answers.said.filter((one) => one.answer !== "no").map((one) => {
    const code = codes.find((known) => known.element.dataset.code === `${one.dimension}:${one.code}`);
    const words = one.passages?.length ? ` ${fill(texts.passages, { count: one.passages.length })}` : "";
    return `${code?.label ?? one.code}: ${one.value ?? texts[one.answer]}${words}`;
  });
  if (answers.note) lines.push(`${texts.note}: ${answers.note}`);
  return (lines.length ? lines : [texts.nothingEntered]).map((text) => {
    const line = document.createElement("li");
    line.dir = "auto";
    line.textContent = text;
    return line;
  });
}
