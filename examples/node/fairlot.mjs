// Starts a Fairlot server for an example: published experiments, a token, a free port.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const START_WITHIN_MS = 30_000;

/**
 * Serves the experiment files of a folder until this process ends. Where ASSIGNMENT_ORIGIN and
 * EXPERIMENT_TOKEN are set, a server is there already, and none is started.
 * @param {URL} experiments
 * @returns {Promise<{origin: string, token: string}>}
 */
export async function startFairlot(experiments) {
  const { ASSIGNMENT_ORIGIN: origin, EXPERIMENT_TOKEN: token } = process.env;
  if (origin && token) return { origin, token };
  const data = mkdtempSync(join(tmpdir(), "fairlot-example-"));
  fairlot("init", "--data-only", "--data", data);
  fairlot("apply", fileURLToPath(experiments), "--yes", "--data", data);
  return {
    origin: await serve(data),
    token: JSON.parse(fairlot("token", "show", "--json", "--data", data)).token,
  };
}

function command() {
  const own = join(ROOT, ".venv", "bin", "fairlot");
  return existsSync(own) ? own : "fairlot";
}

function fairlot(...words) {
  try {
    return execFileSync(command(), words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    console.error(error.code === "ENOENT" ? "No fairlot command. Run `make setup`." : error.stderr);
    process.exit(1);
  }
}

async function serve(data) {
  const port = await freePort();
  const words = ["serve", "--port", String(port), "--data", data];
  const server = spawn(command(), words, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  server.stderr.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-4000)));
  stopWithThisProcess(server, data);
  const origin = `http://127.0.0.1:${port}`;
  if (!(await ready(origin, server))) {
    console.error(`The Fairlot server did not start.\n${log}`);
    process.exit(1);
  }
  console.log(`Fairlot  ${origin}  (process ${server.pid}, data in ${data})`);
  return origin;
}

/** The server first: it still writes down what it has answered. */
function stopWithThisProcess(server, data) {
  const stop = () => {
    if (server.exitCode === null && server.signalCode === null) server.kill();
    else process.exit(0);
    server.once("exit", () => process.exit(0));
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  process.once("exit", () => {
    server.kill();
    rmSync(data, { recursive: true, force: true });
  });
}

async function ready(origin, server) {
  const giveUpAt = Date.now() + START_WITHIN_MS;
  while (server.exitCode === null && Date.now() < giveUpAt) {
    const answer = await fetch(`${origin}/readyz`).catch(() => null);
    if (answer?.ok) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
