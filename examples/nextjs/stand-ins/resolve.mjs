// Leads the imports of `react` and `next` to the files beside this one.
const STAND_INS = {
  react: new URL("react.mjs", import.meta.url).href,
  "next/headers": new URL("next-headers.mjs", import.meta.url).href,
  "next/server": new URL("next-server.mjs", import.meta.url).href,
};

export function resolve(specifier, context, next) {
  const url = STAND_INS[specifier];
  return url ? { url, shortCircuit: true } : next(specifier, context);
}
