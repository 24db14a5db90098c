const VOID = new Set(["meta", "link", "img", "br", "input"]);
const ATTRIBUTES = { className: "class" };

export function createElement(type, props, ...children) {
  return { type, props: { ...props, ...(children.length && { children }) } };
}

/** The HTML of an element; text and attributes are escaped. */
export async function render(node) {
  if (node === null || node === undefined || typeof node === "boolean") return "";
  if (Array.isArray(node)) return (await Promise.all(node.map(render))).join("");
  if (typeof node !== "object") return escaped(node);
  const { type, props } = node;
  if (typeof type === "function") return render(await type(props));
  const { children, ...rest } = props;
  const attributes = Object.entries(rest)
    .map(([name, value]) => ` ${ATTRIBUTES[name] ?? name}="${escaped(value)}"`)
    .join("");
  if (VOID.has(type)) return `<${type}${attributes}>`;
  // Of a style element the browser reads the text as it is, without entities.
  const inside = type === "style" ? String(children).replaceAll("</", "<\\/") : await render(children);
  return `<${type}${attributes}>${inside}</${type}>`;
}

function escaped(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return String(text).replace(/[&<>"']/g, (character) => names[character]);
}
