// Compresses what was built and lists it for the Rust side: `files.rs` is included by src/page.rs.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const KINDS = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

export function embed() {
  let root = "";
  return {
    name: "havre-embed",
    apply: "build",
    configResolved(config) {
      root = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      const paths = readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(root, join(entry.parentPath, entry.name)))
        .sort();
      const rows = paths.map((path) => {
        const kind = KINDS[path.split(".").at(-1)];
        if (!kind) throw new Error(`${path}: no content type is known`);
        const raw = readFileSync(join(root, path));
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length };
        writeFileSync(join(root, `${path}.br`), brotliCompressSync(raw, { params }));
        const include = (file) => `include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/app/${file}"))`;
        return `    File { path: "${path}", kind: "${kind}", plain: ${include(path)}, brotli: ${include(`${path}.br`)} },\n`;
      });
      writeFileSync(join(root, "files.rs"), `// Written by web/embed.mjs.\n&[\n${rows.join("")}]\n`);
    },
  };
}
