// node:http in front of a function from Request to Response.
import { webcrypto } from "node:crypto";
import { createServer } from "node:http";
import { Readable } from "node:stream";

// Node 18 has it, but not under the name that Workers and browsers know.
globalThis.crypto ??= webcrypto;

/**
 * Listens on PORT, else on 3000, of this machine only.
 * @param {(request: Request) => Promise<Response>} answer
 */
export function serve(answer) {
  const server = createServer(async (incoming, outgoing) => {
    try {
      await send(await answer(requestOf(incoming)), outgoing);
    } catch (error) {
      console.error(error);
      outgoing.writeHead(500).end("Something went wrong.");
    }
  });
  server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
    console.log(`Page     http://127.0.0.1:${server.address().port}/`);
  });
}

function requestOf(incoming) {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at], incoming.rawHeaders[at + 1]);
  }
  const hasBody = !["GET", "HEAD"].includes(incoming.method);
  return new Request(`http://${incoming.headers.host}${incoming.url}`, {
    method: incoming.method,
    headers,
    ...(hasBody && { body: Readable.toWeb(incoming), duplex: "half" }),
  });
}

async function send(response, outgoing) {
  const headers = {};
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") headers[name] = value;
  }
  // Cookies are lines of their own; folded into one they would be lost.
  const cookies = response.headers.getSetCookie();
  if (cookies.length) headers["set-cookie"] = cookies;
  outgoing.writeHead(response.status, headers);
  outgoing.end(Buffer.from(await response.arrayBuffer()));
}
