// Builds the console into ../assets/app, which is committed: the Rust build embeds it and needs no Node. The same
// sources give the same bytes, so that CI can rebuild and compare.

import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Warning } from "svelte/compiler";
import { defineConfig } from "vite";
import { embed } from "./embed.mjs";

export default defineConfig({
  base: "./",
  plugins: [svelte({ compilerOptions: { runes: true }, onwarn }), embed()],
  build: {
    outDir: "../assets/app",
    assetsDir: "app",
    emptyOutDir: true,
    target: "es2022",
    // The policy forbids inline script, style and data URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8099", "/sip": { target: "ws://127.0.0.1:8099", ws: true } } },
});


/** Tables whose rows become cards on a narrow screen say that they are tables all the same. */
function onwarn(warning: Warning, handle: (warning: Warning) => void) {
  if (warning.code !== "a11y_no_redundant_roles") handle(warning);
}
