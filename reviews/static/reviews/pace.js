// How long somebody was at work on the interview on the page.

const IDLE = 30_000; // milliseconds without a sign of life after which nobody is at work
let seconds = 0;
let last = Date.now();

/** Begin to count, from the seconds that it took before. */
export function beginWork(before) {
  seconds = before ?? 0;
  last = Date.now();
}

export function secondsAtWork() {
  return Math.round(seconds);
}

for (const name of ["keydown", "pointerdown", "scroll", "selectionchange"]) {
  document.addEventListener(name, () => {
    const now = Date.now();
    seconds += Math.min(IDLE, now - last) / 1000;
    last = now;
  }, { passive: true, capture: true });
}
