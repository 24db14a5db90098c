// A Node server that answers the same assignment call from memory: token, URL rule, query
// parameter, murmur3 split, the same JSON. It records nothing.
import { createServer } from "node:http";

const [port, key, token] = process.argv.slice(2);
const path = `/api/v1/experiments/assignments/${key}`;

function murmur3(bytes) {
  let hash = 0;
  const blocks = bytes.length & ~3;
  for (let at = 0; at < blocks; at += 4) {
    let block = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    block = Math.imul(block, 0xcc9e2d51);
    block = (block << 15) | (block >>> 17);
    hash ^= Math.imul(block, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= blocks; at--) tail = (tail << 8) | bytes[at];
  if (bytes.length & 3) {
    tail = Math.imul(tail, 0xcc9e2d51);
    tail = (tail << 15) | (tail >>> 17);
    hash ^= Math.imul(tail, 0x1b873593);
  }
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function assignment(request) {
  if (request.token !== token) return { success: false, error: "unknown token" };
  const url = new URL(request.context.url);
  const onPage = url.pathname === "/cart" || url.pathname.startsWith("/checkout/");
  if (!onPage || url.searchParams.get("campaign")?.toLowerCase() !== "autumn") {
    return { success: true, in_experiment: false };
  }
  const hash = murmur3(Buffer.from(`${key}:variant:${request.visitor_id}`));
  const treated = Math.floor((hash * 10000) / 2 ** 32) >= 5000;
  return {
    success: true,
    in_experiment: true,
    experiment_id: "exp_01HX0000000000000000000000",
    experiment_key: key,
    experiment_name: "A benchmark",
    variant_id: "var_01HX0000000000000000000000",
    variant_key: treated ? "next-step" : "control",
    variant_name: treated ? "Treatment" : "Control",
    is_control: !treated,
    type: "ab",
  };
}

createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const known = request.method === "POST" && request.url === path;
    const body = known ? assignment(JSON.parse(Buffer.concat(chunks))) : { success: false };
    const text = JSON.stringify(body);
    response.writeHead(known ? 200 : 404, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
      "cache-control": "no-store",
    });
    response.end(text);
  });
}).listen(Number(port), "127.0.0.1");
