// What every client's script shares: where the gateway is, and one line of JSON for each check.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual, inspect } from "node:util";

export const URL = process.env.OUTCRY_URL ?? "http://127.0.0.1:8080";
export const KEY = process.env.OUTCRY_KEY ?? "none";
const MODELS = (process.env.OUTCRY_MODELS ?? "auto").split(" ");

// Asks `each` check of every model and `once` of the first, and reports each at once; a failure never ends the run.
export async function run(client, { each, once = {} }) {
  const manifest = new globalThis.URL(`./node_modules/${client}/package.json`, import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  for (const [checks, models] of [[each, MODELS], [once, MODELS.slice(0, 1)]]) {
    for (const [name, check] of Object.entries(checks)) {
      for (const model of models) {
        const started = performance.now();
        const detail = await failure(check, model);
        const ms = Math.round(performance.now() - started);
        const words = name.replaceAll(/([A-Z])/g, " $1").toLowerCase();
        console.log(JSON.stringify({ client, version, check: words, model, ok: !detail, detail, ms }));
      }
    }
  }
}

async function failure(check, model) {
  try {
    await check(model);
    return "";
  } catch (error) {
    console.error(error);
    return `${error.constructor.name}: ${error.message}`.slice(0, 500);
  }
}

export function same(seen, expected) {
  if (!isDeepStrictEqual(seen, expected)) throw new Error(`${inspect(seen)} instead of ${inspect(expected)}`);
}

export function inPieces(pieces, said) {
  same(pieces.join(""), said);
  if (pieces.filter(Boolean).length < 2) throw new Error(`one piece only: ${inspect(pieces)}`);
}

// Resolves to what `asking` was refused with; fails when it was not refused.
export async function refused(asking) {
  return asking.then(
    () => { throw new Error("it was accepted"); },
    (error) => error,
  );
}
