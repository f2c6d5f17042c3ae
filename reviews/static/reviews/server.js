// Asking the server, with every outcome told apart: nothing here throws.

// Whose page this is: the server does nothing for it while somebody else is signed in.
const whose = JSON.parse(document.getElementById("screen")?.textContent ?? "{}").person;

/** The token that the server wants to see again; another tab may have renewed it. */
export function token() {
  const cookie = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie);
  return cookie ? decodeURIComponent(cookie[1]) : document.querySelector('[name="csrfmiddlewaretoken"]').value;
}

/** Ask `url`; the answer is { ok, status, body }, with status 0 where nobody was reached. */
export async function ask(url, body = undefined, method = body === undefined ? "GET" : "POST") {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 20_000);
  try {
    const answer = await fetch(url, {
      method,
      headers: {
        ...(whose === undefined ? {} : { "X-Concord-Person": whose }),
        ...(body === undefined ? {} : { "Content-Type": "application/json", "X-CSRFToken": token() }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: stop.signal,
    });
    const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
    const said = isJson ? await answer.json() : null;
    // A page where data was asked for is the sign-in, or something between us and the server.
    if (answer.ok && (answer.redirected || !isJson)) return { ok: false, status: 403, body: { code: "not_authenticated" } };
    return { ok: answer.ok, status: answer.status, body: said ?? {} };
  } catch {
    return { ok: false, status: 0, body: {} };
  } finally {
    clearTimeout(timer);
  }
}

/** Whether an outcome says nothing about what was sent: try again later. */
export function isPassing({ status }) {
  return status === 0 || status === 429 || status >= 500;
}

/** Whether nobody is signed in, or the token is of an earlier sign-in. */
export function isSignedOut({ status }) {
  return status === 401 || status === 403;
}

const LONGEST = 60_000; // milliseconds between two tries

/** How many milliseconds to wait before the next try, after so many. */
export function pauseAfter(tries) {
  return Math.min(LONGEST, 1000 * 2 ** Math.min(tries, 6));
}

/** Tell the server something while the page goes away. */
export function tell(url, pairs) {
  const form = new FormData();
  form.append("csrfmiddlewaretoken", token());
  for (const [name, value] of pairs) form.append(name, value);
  navigator.sendBeacon(url, form);
}
