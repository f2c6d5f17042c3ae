// The form as data: what is answered of each code. The fields hold the truth; nothing is kept twice.

const form = document.getElementById("review");

export const dimensions = [...document.querySelectorAll(".dimension[data-kind]")].map((element) => ({
  element,
  key: element.dataset.key,
  kind: element.dataset.kind,
  label: element.querySelector("h2").textContent,
  // "No to all", "none of these" or "not expressed"
  rest: element.querySelector(".rest-button") ?? element.querySelector(".rest:not(.left-out) input"),
  left: element.querySelector(".left-out input"),
}));

export const codes = [...document.querySelectorAll("[data-code]")].map((element, number) => {
  const dimension = dimensions.find((one) => one.element.contains(element));
  return {
    element,
    number,
    dimension,
    key: element.dataset.code.slice(dimension.key.length + 1),
    label: (element.querySelector(".name bdi") ?? dimension.element.querySelector("h2")).textContent,
    lang: element.querySelector(".name bdi")?.lang ?? dimension.element.querySelector("h2").lang,
    color: element.dataset.color,
    initials: element.dataset.initials,
    group: element.closest(".group"),
    field: element.querySelector('input[name^="passages:"]'),
    radios: [...element.querySelectorAll('input[type="radio"]')],
    value: element.querySelector('input[type="number"]'),
    slider: element.querySelector('input[type="range"]'),
  };
});

export const groups = [...document.querySelectorAll(".group")].map((element) => ({
  element,
  number: Number(element.dataset.group),
  codes: codes.filter((code) => code.group === element),
}));

/** The code whose row `element` stands in. */
export function codeAt(element) {
  return codes.find((code) => code.element.contains(element));
}

/** "yes", "no", "unsure", or "" where nothing is said. */
export function answerOf(code) {
  if (code.dimension.kind === "scale") return code.value.value === "" ? "" : "yes";
  const checked = code.radios.find((radio) => radio.checked);
  if (!checked) return "";
  return code.dimension.kind === "one" ? "yes" : checked.value;
}

/** Answer for `code`; "" takes the answer back. A code of many says no only to itself. */
export function choose(code, answer) {
  const kind = code.dimension.kind;
  if (kind === "scale") return;
  if (kind === "one") {
    code.radios[0].checked = answer === "yes";
    return;
  }
  for (const radio of code.radios) radio.checked = radio.value === answer;
}

/** The ranges of code points that support `code`. */
export function passagesOf(code) {
  return code.field.value.split(" ").filter(Boolean).map((range) => range.split("-").map(Number));
}

/** Put these passages in the place of those that `code` has, ordered and each once. */
export function setPassages(code, passages) {
  const ordered = [...passages].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  code.field.value = [...new Set(ordered.map((range) => range.join("-")))].join(" ");
}

/** Answer what is left of a dimension: no to all, none of these, not expressed. */
export function answerRest(dimension) {
  if (dimension.kind === "many") {
    const open = codes.filter((code) => code.dimension === dimension && !answerOf(code));
    for (const code of open) choose(code, "no");
    return open;
  }
  dimension.rest.checked = true;
  const own = codes.filter((code) => code.dimension === dimension);
  if (dimension.kind === "scale") for (const code of own) code.value.value = "";
  return own;
}

/** Everything entered, as a draft keeps it and the server takes it. */
export function read() {
  const said = [];
  const decided = [];
  const left = [];
  for (const dimension of dimensions) {
    const own = codes.filter((code) => code.dimension === dimension);
    for (const code of own) {
      const answer = answerOf(code);
      if (!answer) continue;
      const one = { dimension: dimension.key, code: code.key, answer, value: null, passages: [] };
      if (dimension.kind === "scale") one.value = Number(code.value.value);
      if (answer !== "no") one.passages = passagesOf(code);
      said.push(one);
    }
    if (dimension.left.checked) left.push(dimension.key);
    else if (isDecided(dimension, own)) decided.push(dimension.key);
  }
  const sure = form.elements.confidence.value;
  return { said, decided, left, note: form.elements.note.value, confidence: sure ? Number(sure) : null };
}

/** Put `answers` into the form; null empties it. */
export function write(answers) {
  const { said = [], decided = [], left = [], note = "", confidence = null } = answers ?? {};
  const of = new Map(said.map((one) => [`${one.dimension}:${one.code}`, one]));
  for (const dimension of dimensions) {
    dimension.left.checked = left.includes(dimension.key);
    const none = decided.includes(dimension.key) && !said.some((one) => one.dimension === dimension.key);
    if (dimension.kind !== "many") dimension.rest.checked = none;
  }
  for (const code of codes) {
    const one = of.get(code.element.dataset.code);
    const silent = code.dimension.kind === "many" && decided.includes(code.dimension.key) ? "no" : "";
    choose(code, one?.answer ?? silent);
    if (code.value) code.value.value = one?.value ?? "";
    if (code.slider && code.value.value !== "") code.slider.value = code.value.value;
    setPassages(code, one?.passages ?? []);
  }
  // A radio that another of its group replaced is off; what the group itself says comes last.
  for (const dimension of dimensions) {
    if (dimension.kind === "one" && !said.some((one) => one.dimension === dimension.key)) {
      dimension.rest.checked = decided.includes(dimension.key);
    }
  }
  form.elements.note.value = note;
  for (const radio of form.elements.confidence) radio.checked = Number(radio.value) === confidence;
}

function isDecided(dimension, own) {
  if (dimension.kind === "many") return own.every(answerOf);
  return dimension.rest.checked || own.some(answerOf);
}

/** What keeps these answers from being complete: the first dimension, its open codes, and why. */
export function missing(evidenceRequired) {
  for (const dimension of dimensions) {
    const own = codes.filter((code) => code.dimension === dimension);
    if (evidenceRequired && dimension.kind !== "scale") {
      const bare = own.filter((code) => answerOf(code) === "yes" && !passagesOf(code).length);
      if (bare.length) return { why: "evidence", dimension, codes: bare };
    }
    const scale = own.find((code) => code.value && !code.value.checkValidity());
    if (scale) return { why: "value", dimension, codes: [scale] };
    if (dimension.left.checked || isDecided(dimension, own)) continue;
    if (dimension.kind === "many") return { why: "codes", dimension, codes: own.filter((code) => !answerOf(code)) };
    return { why: "dimension", dimension, codes: own };
  }
  return null;
}
