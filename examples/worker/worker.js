// An experiment in a Cloudflare Worker: one fetch to Fairlot, and a page that never depends on it.

const EXPERIMENT = "checkout-redesign";
const COOKIE = "fx_sid";
const PATIENCE_MS = 300;
const YEAR_S = 31536000;
const CONTROL = { variant_key: "control", payload: null };
const PLAIN = {
  headline: "Check out",
  text: "Three short steps: address, delivery, payment.",
  button: "Continue to address",
};

let quietUntilMs = 0;

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (!["GET", "HEAD"].includes(request.method)) return new Response(null, { status: 405 });
    if (url.pathname === "/favicon.ico") return new Response(null, { status: 404 });
    const known = visitorIn(request);
    const visitor = known ?? crypto.randomUUID();
    const assignment = await assignmentOf(visitor, url, env);
    return new Response(pageOf(assignment, visitor), {
      headers: headersOf(url, known ? null : visitor),
    });
  },
};

/** The variant of a visitor; control whenever there is no answer, whatever the reason. */
async function assignmentOf(visitor, url, env) {
  if (Date.now() < quietUntilMs) return CONTROL;
  try {
    const response = await fetch(
      `${env.ASSIGNMENT_ORIGIN}/api/v1/experiments/assignments/${EXPERIMENT}`,
      {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          token: env.EXPERIMENT_TOKEN,
          visitor_id: visitor,
          context: { url: url.toString() },
        }),
        signal: AbortSignal.timeout(Number(env.PATIENCE_MS ?? PATIENCE_MS)),
      },
    );
    if (response.status === 429) quietUntilMs = Date.now() + pauseMs(response);
    if (!response.ok) return CONTROL;
    const assignment = await response.json();
    return assignment.in_experiment === true ? assignment : CONTROL;
  } catch {
    return CONTROL;
  }
}

function pauseMs(response) {
  const seconds = Number(response.headers.get("retry-after"));
  return 1000 * (seconds > 0 ? Math.min(seconds, 60) : 1);
}

/** The visitor id that the browser brought, if it is one that Fairlot takes. */
function visitorIn(request) {
  for (const part of (request.headers.get("cookie") ?? "").split(";")) {
    const [name, ...value] = part.split("=");
    if (name.trim() === COOKIE) {
      const id = value.join("=").trim();
      return /^[!#-+\--:<-[\]-~]{1,400}$/.test(id) ? id : null;
    }
  }
  return null;
}

/** The page is this visitor's alone: no cache may keep it. */
function headersOf(url, newVisitor) {
  const headers = new Headers({
    "content-type": "text/html; charset=utf-8",
    "cache-control": "private, no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
  });
  if (newVisitor !== null) {
    const secure = url.protocol === "https:" ? "; Secure" : "";
    headers.append(
      "set-cookie",
      `${COOKIE}=${newVisitor}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax${secure}`,
    );
  }
  return headers;
}

function pageOf(assignment, visitor) {
  const { headline, text, button } = { ...PLAIN, ...assignment.payload };
  return `<!doctype html>
<html lang="en" data-variant="${escaped(assignment.variant_key)}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(headline)} · Tea &amp; Leaves</title>
<style>${STYLE}</style>
<header>Tea &amp; Leaves</header>
<main>
  <h1>${escaped(headline)}</h1>
  <p>${escaped(text)}</p>
  <dl>
    <dt>Sencha, 200 g</dt><dd>€18.00</dd>
    <dt>Kyusu teapot</dt><dd>€30.00</dd>
    <dt>Total</dt><dd>€48.00</dd>
  </dl>
  <form><button>${escaped(button)}</button></form>
</main>
<footer>Visitor <code>${escaped(visitor)}</code> sees <code>${escaped(assignment.variant_key)}</code></footer>
`;
}

function escaped(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return String(text).replace(/[&<>"']/g, (character) => names[character]);
}

const STYLE = `
  :root { color-scheme: light dark; --ink: #1f2a24; --paper: #f6f4ee; --card: #fff; --line: #dcd8cb; --accent: #2f6b4f }
  @media (prefers-color-scheme: dark) { :root { --ink: #e9ece6; --paper: #151a17; --card: #1d2420; --line: #343d37; --accent: #7cc4a0 } }
  body { margin: 0; min-height: 100vh; display: grid; grid-template-rows: auto 1fr auto; font: 17px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
  header { padding: 1.2rem 1.5rem; font-weight: 600; letter-spacing: .02em; color: var(--accent) }
  main { box-sizing: border-box; width: min(34rem, 100% - 2rem); margin: 4vh auto; align-self: start; padding: clamp(1.25rem, 5vw, 2rem); background: var(--card); border: 1px solid var(--line); border-radius: 14px }
  h1 { margin: 0 0 .4rem; font-size: 1.7rem; line-height: 1.2; text-wrap: balance }
  p { margin: 0 0 1.5rem; opacity: .85 }
  dl { display: grid; grid-template-columns: 1fr auto; row-gap: .5rem; margin: 0 0 1.5rem }
  dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums }
  dt:last-of-type, dd:last-of-type { padding-top: .5rem; border-top: 1px solid var(--line); font-weight: 600 }
  button { width: 100%; padding: .8rem; font: inherit; font-weight: 600; color: var(--card); background: var(--accent); border: 0; border-radius: 9px; cursor: pointer }
  button:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px }
  footer { padding: 1rem 1.5rem; font-size: .85rem; opacity: .8; overflow-wrap: anywhere }
`;
