// The one place where the browser's UTF-16 units and our code points meet.

/** Whether `unit` falls between the two halves of one character. */
export function isHalf(text, unit) {
  const before = text.charCodeAt(unit - 1);
  const after = text.charCodeAt(unit);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}

/** How many code points stand before `unit`. */
export function toPoints(text, unit) {
  let points = 0;
  for (let at = 0; at < unit; points += 1) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return points;
}

/** How many units the first `points` code points take. */
export function toUnits(text, points) {
  let units = 0;
  for (; points > 0 && units < text.length; points -= 1) units += text.codePointAt(units) > 0xffff ? 2 : 1;
  return units;
}
