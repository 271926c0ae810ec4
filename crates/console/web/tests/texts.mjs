// The catalogue: both languages, the same places, French typography, nothing unused, nothing missing.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parts, texts } from "./catalogue.mjs";

const SOURCES = new URL("../src/", import.meta.url).pathname;
const code = readdirSync(SOURCES, { recursive: true })
  .filter((name) => /\.(svelte|ts)$/.test(name) && !name.startsWith("texts"))
  .map((name) => readFileSync(join(SOURCES, name), "utf8"))
  .join("\n");
/** Words of the server, looked up as `group.word`. */
const GROUPS = new Set([...code.matchAll(/word\("([a-z_.]+)"/g)].map(([, group]) => group));
for (const looped of ["language", "risk", "why", "outcome", "cause", "theme", "trouble", "light", "reach"]) GROUPS.add(looped);
const faults = [];
const all = Object.values(parts).flatMap(Object.keys);
for (const key of new Set(all.filter((key, place) => all.indexOf(key) !== place))) faults.push(`${key}: stands in two parts of the catalogue`);

for (const [key, [en, fr]] of Object.entries(texts)) {
  const fault = (what) => faults.push(`${key}: ${what}`);
  if (!en?.trim() || !fr?.trim()) fault("a language is missing");
  const places = (text) => [...text.matchAll(/\{\d\}/g)].map(([place]) => place).sort().join();
  if (places(en) !== places(fr)) fault("a place is missing in one language");
  if (/[^\u00a0]:(?!\/\/)/.test(fr.replace(/\d:\d/g, ""))) fault("no no-break space before the colon in French");
  if (/«[^\u00a0]|[^\u00a0]»/.test(fr)) fault("no no-break space within guillemets");
  if (/\s[;!?]/.test(fr)) fault("Canadian French has no space before ; ! ?");
  if (/['"]/.test(en + fr)) fault("a typewriter apostrophe or quote");
  const group = key.slice(0, key.lastIndexOf("."));
  if (!code.includes(`"${key}"`) && !GROUPS.has(group) && !GROUPS.has(key.split(".")[0])) fault("is not used");
}
for (const [, key] of code.matchAll(/\bt\("([a-z_.]+)"/g)) if (!(key in texts)) faults.push(`${key}: is used and not in the catalogue`);

console.log(faults.length ? faults.join("\n") : `texts: ${Object.keys(texts).length} in both languages`);
process.exit(faults.length ? 1 : 0);
