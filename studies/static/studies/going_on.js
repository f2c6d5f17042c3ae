// Has an import go on while its page is open: each request does a part, and its answer is the page.
// Without this the same button does it.

const PAUSE = 1000; // milliseconds, where another window is at it

const form = document.getElementById("go-on");
const button = form?.querySelector("button");
let left = false;

// Whoever presses another button wants to be heard before the next part begins.
document.addEventListener("submit", () => {
  left = true;
});
if (form) {
  button.hidden = true;
  document.getElementById("by-itself").hidden = false;
  run();
}

async function run() {
  try {
    while (!left) {
      const before = document.getElementById("how-far").textContent;
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const shown = page.getElementById("how-far");
      if (!shown || !page.getElementById("go-on")) break;
      document.getElementById("how-far").replaceWith(shown);
      if (shown.textContent === before) await new Promise((done) => setTimeout(done, PAUSE));
    }
  } catch {
    // The connection was lost or the sign-in has ended: the button, pressed by hand, says which.
    button.hidden = false;
    document.getElementById("by-itself").hidden = true;
    document.getElementById("broken-off").hidden = false;
    return;
  }
  if (!left) location.replace(form.action);
}
