// Renders the page under Node, without Next.js: `node examples/nextjs/serve.mjs`.
import * as modules from "node:module";
import { startFairlot } from "../node/fairlot.mjs";
import { serve } from "../node/serve.mjs";
import { resolve } from "./stand-ins/resolve.mjs";

if (modules.registerHooks) modules.registerHooks({ resolve });
else modules.register("./stand-ins/resolve.mjs", import.meta.url);

const { createElement, render } = await import("./stand-ins/react.mjs");
const { withHeaders } = await import("./stand-ins/next-headers.mjs");
const { NextRequest } = await import("./stand-ins/next-server.mjs");
const { middleware } = await import("./middleware.js");
const { default: Layout, metadata, viewport } = await import("./app/layout.js");
const { default: Page } = await import("./app/page.js");

const { origin, token } = await startFairlot(new URL("experiments/", import.meta.url));
Object.assign(process.env, { ASSIGNMENT_ORIGIN: origin, EXPERIMENT_TOKEN: token });
serve(async (request) => {
  if (new URL(request.url).pathname !== "/") return new Response("Not found.", { status: 404 });
  const asked = new NextRequest(request);
  const { headers, requestHeaders } = middleware(asked);
  const page = createElement(Layout, null, createElement(Page));
  const html = await withHeaders(requestHeaders, () => render(page));
  headers.set("content-type", "text/html; charset=utf-8");
  return new Response(`<!doctype html>${html.replace("<head>", `<head>${await head()}`)}`, { headers });
});

/** What Next.js writes for `metadata` and `viewport`. */
function head() {
  const { width, initialScale } = viewport;
  return render([
    createElement("meta", { charset: "utf-8" }),
    createElement("meta", { name: "viewport", content: `width=${width}, initial-scale=${initialScale}` }),
    createElement("title", null, metadata.title),
  ]);
}
