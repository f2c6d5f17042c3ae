// Keys by their place on the keyboard (event.code), as each person has them, and the list of them.

const typing = ["radio", "checkbox", "range", "button", "submit"];

/** Whether keys belong to a field that is being written in. */
export function isTyping(target) {
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable ||
    (target instanceof HTMLInputElement && !typing.includes(target.type));
}

/** Letters, digits and signs: what a voice or an unsteady hand may type without meaning to. */
function isCharacter(code) {
  return !["Enter", "NumpadEnter", "Backspace", "Delete", "Tab", "Escape", "Space"].includes(code) &&
    !/^(?:Arrow|F\d|Page|Home|End)/.test(code);
}

/** Whether it is the question mark, in this layout or where a Latin one has it. */
function isQuestion({ key, code, shiftKey }) {
  return key === "?" || key === "؟" || (shiftKey && code === "Slash");
}

/** Call `act(action, event)` for the keys of `chosen`, `digit(number, event)` for digits. */
export function listen(chosen, { act, digit, help }) {
  const dialogs = [...document.querySelectorAll("dialog")];
  document.addEventListener("keydown", (event) => {
    const { code, target } = event;
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (dialogs.some((dialog) => dialog.open) || isTyping(target)) return;
    if (target.closest("#skip[open] .reasons") && /^Digit[1-5]$/.test(code)) return;
    if (chosen.characters === "off" && isCharacter(code)) return;
    const number = /^(?:Digit|Numpad)(\d)$/.exec(code);
    let done = false;
    if (number) done = digit(Number(number[1]), event);
    else if (isQuestion(event)) done = help();
    else {
      const place = code === "NumpadEnter" ? "Enter" : code;
      const action = Object.keys(chosen).find((name) => name !== "characters" && chosen[name] === place);
      if (action && (!event.shiftKey || action === "sentence")) done = act(action, event);
    }
    if (done !== false) event.preventDefault();
  });
}

let layout = null;
navigator.keyboard?.getLayoutMap?.().then((map) => { layout = map; }, () => {});

/** What is printed on the key in this person's layout, as far as the browser tells. */
export function nameOf(code) {
  if (!code) return "–";
  const printed = layout?.get(code);
  if (printed) return printed.toLocaleUpperCase();
  const signs = {
    BracketLeft: "[", BracketRight: "]", Slash: "/", Semicolon: ";", Quote: "'", Comma: ",", Period: ".",
    Minus: "-", Equal: "=", Backquote: "`", Backslash: "\\",
  };
  return signs[code] ?? code.replace(/^Key/, "");
}

/** The list of keys: each can be changed there; `save(chosen)` keeps the change. */
export function sheet(chosen, usual, texts, save) {
  const dialog = document.getElementById("help");
  const said = document.getElementById("keys-said");
  const buttons = [...dialog.querySelectorAll("button.key")];
  const off = document.getElementById("no-characters");
  let asking = null;

  function show() {
    for (const button of buttons) {
      const code = chosen[button.dataset.action];
      button.querySelector("kbd").textContent = button === asking ? texts.pressAKey : nameOf(code);
      button.classList.toggle("asking", button === asking);
    }
    off.checked = chosen.characters === "off";
  }

  async function keep() {
    show();
    said.textContent = (await save(chosen)) ? texts.keysKept : texts.keysNotKept;
  }

  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("button.key");
    if (!button) return;
    asking = button;
    said.textContent = "";
    show();
  });
  dialog.addEventListener("keydown", (event) => {
    if (!asking || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    const { code } = event;
    if (["ShiftLeft", "ShiftRight"].includes(code)) return;
    const action = asking.dataset.action;
    asking = null;
    if (["Escape", "Tab"].includes(code)) {
      show();
      return;
    }
    const taken = Object.keys(chosen).find((name) => name !== action && chosen[name] && chosen[name] === code);
    if (taken || /^(?:Digit|Numpad)\d/.test(code)) {
      show();
      said.textContent = taken ? texts.keyTaken : texts.keyOfItsOwn;
      return;
    }
    chosen[action] = code;
    keep();
  });
  dialog.addEventListener("cancel", (event) => { if (asking) event.preventDefault(); });
  off.addEventListener("change", () => {
    if (off.checked) chosen.characters = "off";
    else chosen.characters = "";
    keep();
  });
  document.getElementById("usual-keys").addEventListener("click", () => {
    for (const name of Object.keys(chosen)) delete chosen[name];
    Object.assign(chosen, usual);
    keep();
  });
  return () => {
    asking = null;
    said.textContent = "";
    show();
    dialog.showModal();
  };
}
