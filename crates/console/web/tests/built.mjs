// The committed build is what these sources give: builds them aside and compares, byte by byte. Compressed files are
// compared by what they hold, for another Node may compress a little differently.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { build } from "vite";

const COMMITTED = new URL("../../assets/app/", import.meta.url).pathname;
const fresh = mkdtempSync(join(tmpdir(), "havre-web-"));
const list = (root) => readdirSync(root, { recursive: true }).filter((name) => name.includes(".")).sort();
const held = (root, name) => (name.endsWith(".br") ? brotliDecompressSync(readFileSync(join(root, name))) : readFileSync(join(root, name)));
try {
  await build({ root: new URL("..", import.meta.url).pathname, logLevel: "error", build: { outDir: fresh, emptyOutDir: true } });
  const [ours, theirs] = [list(COMMITTED), list(fresh)];
  const faults = [
    ...theirs.filter((name) => !ours.includes(name)).map((name) => `not committed: ${name}`),
    ...ours.filter((name) => !theirs.includes(name)).map((name) => `no longer built: ${name}`),
    ...ours.filter((name) => theirs.includes(name) && !held(COMMITTED, name).equals(held(fresh, name))).map((name) => `differs: ${name}`),
  ];
  if (faults.length) {
    console.log(`${faults.join("\n")}\nRun \`npm run build\` in crates/console/web and commit crates/console/assets/app.`);
    process.exitCode = 1;
  } else console.log(`built: ${ours.length} files as committed`);
} finally {
  rmSync(fresh, { recursive: true });
}
