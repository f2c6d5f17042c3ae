// A table wider than its window scrolls in its own frame: let keys reach the frame, and name it.
const frames = [...document.querySelectorAll(".frame")];

function reach() {
  for (const frame of frames) {
    const wide = frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight;
    if (!wide || frame.querySelector("a[href], button, input, select, summary, [tabindex]")) {
      frame.removeAttribute("tabindex");
      continue;
    }
    frame.tabIndex = 0;
    if (frame.getAttribute("role")) continue;
    frame.setAttribute("role", "group");
    const caption = frame.querySelector("caption");
    let heading = frame.previousElementSibling;
    while (heading && !/^H[1-6]$/.test(heading.tagName)) heading = heading.previousElementSibling;
    const name = (caption || heading || document.querySelector("h1"))?.textContent.trim();
    if (name) frame.setAttribute("aria-label", name);
  }
}

reach();
addEventListener("resize", reach);
