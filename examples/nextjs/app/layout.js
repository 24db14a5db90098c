import { createElement } from "react";

const STYLE = `
  :root { color-scheme: light dark; --ink: #2b2118; --paper: #fbf7f0; --accent: #a5422f; --line: #e6dccb }
  @media (prefers-color-scheme: dark) { :root { --ink: #f1e9dd; --paper: #1b1613; --accent: #f0937d; --line: #3d342c } }
  body { margin: 0; font: 18px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
  main { width: min(38rem, 100% - 3rem); min-height: 100vh; margin: 0 auto; display: grid; align-content: center; justify-items: start }
  .sign { margin: 0 0 1.5rem; font-weight: 600; letter-spacing: .04em; color: var(--accent) }
  h1 { margin: 0 0 1rem; font-size: clamp(2.2rem, 7vw, 3.6rem); line-height: 1.08; letter-spacing: -.02em; text-wrap: balance }
  p { margin: 0 0 2rem; max-width: 30rem }
  a { padding: .7rem 1.5rem; font-weight: 600; text-decoration: none; color: var(--paper); background: var(--accent); border-radius: 99px }
  a:focus-visible { outline: 3px solid var(--ink); outline-offset: 3px }
  footer { width: 100%; margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .8rem; opacity: .8; overflow-wrap: anywhere }
`;

export const metadata = { title: "Beet & Bloom" };
export const viewport = { width: "device-width", initialScale: 1 };

export default function Layout({ children }) {
  return createElement(
    "html",
    { lang: "en" },
    createElement("head", null, createElement("style", null, STYLE)),
    createElement("body", null, children),
  );
}
