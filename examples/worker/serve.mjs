// Runs the Worker under Node: `node examples/worker/serve.mjs`, in the project's root.
import { startFairlot } from "../node/fairlot.mjs";
import { serve } from "../node/serve.mjs";
import worker from "./worker.js";

const { origin, token } = await startFairlot(new URL("experiments/", import.meta.url));
const { PATIENCE_MS } = process.env;
const env = { ASSIGNMENT_ORIGIN: origin, EXPERIMENT_TOKEN: token, PATIENCE_MS };
serve((request) => worker.fetch(request, env));
