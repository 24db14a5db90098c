import { cookies, headers } from "next/headers";
import { createElement } from "react";
import { CONTROL, getVariant } from "./get-variant.js";

const PLAIN = {
  headline: "Gardens by people who garden",
  text: "We plan beds, paths and trees for small town gardens.",
  button: "Get in touch",
};

export const dynamic = "force-dynamic";

export default async function Page() {
  const visitorId = (await cookies()).get("fx_sid")?.value;
  const url = (await headers()).get("x-page-url") ?? undefined;
  const assignment = visitorId ? await getVariant(visitorId, url) : CONTROL;
  const { headline, text, button } = { ...PLAIN, ...assignment.payload };
  return createElement(
    "main",
    { "data-variant": assignment.variant_key },
    createElement("p", { className: "sign" }, "Beet & Bloom"),
    createElement("h1", null, headline),
    createElement("p", null, text),
    createElement("a", { href: "#begin" }, button),
    createElement(
      "footer",
      null,
      "Visitor ",
      createElement("code", null, visitorId ?? "unknown"),
      " sees ",
      createElement("code", null, assignment.variant_key),
    ),
  );
}
