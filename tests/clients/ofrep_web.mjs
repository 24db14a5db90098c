// Asks a server through the published web provider, and prints what came of it as JSON.
//   node ofrep_web.mjs URL < API key
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";

const baseUrl = process.argv[2];
const key = readFileSync(0, "utf8").trim();
const statuses = [];

async function watchedFetch(...asked) {
  const response = await fetch(...asked);
  statuses.push(response.status);
  return response;
}

function providerWith(options) {
  const headers = [["Authorization", `Bearer ${options.key ?? key}`]];
  return new OFREPWebProvider({
    baseUrl,
    headers,
    cacheMode: "disabled",
    fetchImplementation: watchedFetch,
    pollInterval: options.pollInterval ?? 0,
  });
}

// Set in a domain of its own; whatever `initialize` throws is returned.
async function set(domain, provider, context) {
  await OpenFeature.setContext(domain, context);
  try {
    await OpenFeature.setProviderAndWait(domain, provider);
    return null;
  } catch (error) {
    return error.message;
  }
}

async function until(holds) {
  for (let tries = 0; tries < 4000 && !holds(); tries += 1) await pause(25);
  return holds();
}

async function types() {
  await set("types", providerWith({}), { targetingKey: "ada" });
  const flags = OpenFeature.getClient("types");
  const found = {
    boolean: flags.getBooleanDetails("boolean", false),
    text: flags.getStringDetails("text", "none"),
    integer: flags.getNumberDetails("integer", 0),
    float: flags.getNumberDetails("float", 0),
    object: flags.getObjectDetails("object", {}),
    list: flags.getObjectDetails("list", []),
    plain: flags.getStringDetails("plain", "none"),
    nobody: flags.getStringDetails("nobody", "default"),
    resting: flags.getStringDetails("resting", "default"),
    pros: flags.getStringDetails("pros", "default"),
    mismatch: flags.getStringDetails("boolean", "default"),
    unknown: flags.getStringDetails("unknown", "default"),
  };
  await OpenFeature.setContext("types", { targetingKey: "ada", tier: "pro" });
  found.pros_in = flags.getStringDetails("pros", "default");
  return found;
}

async function targetingKeyMissing() {
  const error = await set("anonymous", providerWith({}), { tier: "pro" });
  const details = OpenFeature.getClient("anonymous").getBooleanDetails("boolean", false);
  return { error, value: details.value, reason: details.reason, status: statuses.at(-1) };
}

async function unauthorized() {
  const error = await set("unauthorized", providerWith({ key: "fx_key_a.b" }), { targetingKey: "ada" });
  return { error, status: statuses.at(-1), client: OpenFeature.getClient("unauthorized").providerStatus };
}

// Polls until the server has said twice that nothing has changed.
async function notModified() {
  statuses.length = 0;
  await set("polling", providerWith({ pollInterval: 50 }), { targetingKey: "ada" });
  await until(() => statuses.length >= 3);
  const value = OpenFeature.getClient("polling").getStringValue("text", "none");
  return { statuses: statuses.slice(0, 3), value };
}

// Polls until the server wants it slower. The provider keeps its flags, and says that they are stale.
async function throttled() {
  let stale = "";
  const provider = providerWith({ pollInterval: 5 });
  provider.events.addHandler(ProviderEvents.Stale, (details) => (stale ||= details.message));
  await set("throttled", provider, { targetingKey: "ada" });
  await until(() => stale !== "");
  const asked = statuses.length;
  await pause(200);
  const value = OpenFeature.getClient("throttled").getStringValue("text", "none");
  return { stale, last: statuses.at(-1), asked, askedMeanwhile: statuses.length - asked, value };
}

const scenes = { types, targetingKeyMissing, unauthorized, notModified, throttled };
const found = await scenes[process.argv[3]]();
await OpenFeature.close();
console.log(JSON.stringify(found));
