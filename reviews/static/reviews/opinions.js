// What several coders say, beside the interview: their evidence is marked in it, and each passage
// can be shown where it stands.

import { mark, pointAt, readTurns, style } from "./evidence.js";

const shows = [...document.querySelectorAll("[data-passage]")];
let place = -1; // which passage was looked at last

/** Mark the passages of every opinion on the page, and let its links and buttons show them. */
export function showOpinions() {
  readTurns();
  document.querySelectorAll(".opinion").forEach((opinion, number) => {
    const { initials, color } = opinion.dataset;
    style(`opinion-${number}`, color, number);
    mark(`opinion-${number}`, JSON.parse(opinion.dataset.passages), { initials, color });
  });
  for (const show of shows) {
    show.hidden = false;
    show.addEventListener("click", (event) => {
      event.preventDefault(); // a link leads to the turn, the script to the very words
      look(shows.indexOf(show));
    });
  }
}

/** Go to the passage after (1) or before (-1) the one that was looked at last. */
export function lookOn(by) {
  look(place + by);
}

function look(number) {
  if (!shows.length) return;
  place = (number + shows.length) % shows.length;
  pointAt(shows[place].dataset.passage.split("-").map(Number));
}
