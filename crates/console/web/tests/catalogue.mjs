// The catalogue, read from its TypeScript sources by Vite's own compiler.

import { readFileSync, readdirSync } from "node:fs";
import { transformWithOxc } from "vite";

const FOLDER = new URL("../src/texts/", import.meta.url).pathname;

/** Its parts by name. */
export const parts = {};
for (const name of readdirSync(FOLDER)) {
  const { code } = await transformWithOxc(readFileSync(FOLDER + name, "utf8"), FOLDER + name);
  Object.assign(parts, await import(`data:text/javascript,${encodeURIComponent(code)}`));
}
export const texts = Object.assign({}, ...Object.values(parts));
