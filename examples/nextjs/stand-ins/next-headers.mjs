import { AsyncLocalStorage } from "node:async_hooks";
import { RequestCookies } from "./next-server.mjs";

const current = new AsyncLocalStorage();

/** Runs `task` as the rendering of a request with these headers. */
export const withHeaders = (given, task) => current.run(given, task);

export const headers = async () => current.getStore();
export const cookies = async () => new RequestCookies(current.getStore());
