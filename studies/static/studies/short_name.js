// Proposes a study's short name while its name is typed, until somebody writes one themselves.
// Left empty, it is made by the site.

const name = document.getElementById("name");
const short = document.getElementById("slug");
let own = short.value !== "";

short.addEventListener("input", () => {
  own = short.value !== "";
});
name.addEventListener("input", () => {
  if (!own) short.value = proposed(name.value);
});

function proposed(text) {
  return text
    .normalize("NFKD")
    .replace(/[^\x20-\x7e]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9_ -]/g, "")
    .replace(/[- ]+/g, "-")
    .slice(0, 44)
    .replace(/^[-_]+|[-_]+$/g, "");
}
