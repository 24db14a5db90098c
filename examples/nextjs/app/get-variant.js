// Asks Fairlot for a visitor's variant. Runs on the server only, in one render of one request.

const EXPERIMENT = "welcome-headline";
const PATIENCE_MS = 300;
export const CONTROL = { variant_key: "control", payload: null };

let quietUntilMs = 0;

/**
 * The assignment of a visitor; control whenever there is no answer, whatever the reason.
 * @param {string} visitorId
 * @param {string} [url] of the page, where the experiment has URL patterns
 */
export async function getVariant(visitorId, url) {
  if (Date.now() < quietUntilMs) return CONTROL;
  try {
    const response = await fetch(
      `${process.env.ASSIGNMENT_ORIGIN}/api/v1/experiments/assignments/${EXPERIMENT}`,
      {
        method: "POST",
        cache: "no-store",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          token: process.env.EXPERIMENT_TOKEN,
          visitor_id: visitorId,
          context: { url },
        }),
        signal: AbortSignal.timeout(Number(process.env.PATIENCE_MS ?? PATIENCE_MS)),
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
