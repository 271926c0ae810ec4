// What an advocate's first page load takes over the network.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import { stage } from "./stage.mjs";

const LIMIT = 250 * 1024;
const APP = new URL("../../assets/app/", import.meta.url).pathname;

test("the first load of the desk, its phone included, is at most 250 KB compressed", stage().as(["advocate"], "", async (page) => {
  const asked = new Set();
  page.on("request", (request) => asked.add(new URL(request.url()).pathname));
  await page.reload();
  await page.waitForSelector(".reach.ok");
  const files = [...asked].filter((path) => path === "/" || path.startsWith("/app/")).map((path) => (path === "/" ? "index.html" : path.slice(1)));
  const bytes = files.reduce((sum, file) => sum + statSync(`${APP}${file}.br`).size, 0);
  console.log(`# ${bytes} bytes in ${files.length} files`);
  assert.ok(bytes <= LIMIT && files.length > 3, `${bytes} bytes`);
  assert.ok(!files.some((file) => /uPlot|Today|Accounts|Dialplan/.test(file)), "the operator's pages and the curves come later");
}));
