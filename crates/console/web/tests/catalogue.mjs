// The catalogue, read from its TypeScript source by Vite's own compiler.

import { readFileSync } from "node:fs";
import { transformWithOxc } from "vite";

const path = new URL("../src/texts.ts", import.meta.url).pathname;
const { code } = await transformWithOxc(readFileSync(path, "utf8"), path);
export const { texts } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
