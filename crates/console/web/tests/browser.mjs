// Chromium with a fake microphone, and pages that note every fault: errors, requests to elsewhere, sideways scrolling.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** Named, so that they are on whatever axe counts as a best practice. */
const ALSO = { "target-size": { enabled: true }, region: { enabled: true } };
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required",
];
/** What comes at all comes within so many milliseconds: machines are busy, and stand still at times. */
const PATIENCE = 120_000;
export const SIZES = { phone: { width: 360, height: 740 }, desk: { width: 1280, height: 860 }, wall: { width: 1920, height: 1080 } };
/** Where screenshots go. */
export const SHOTS = new URL("../shots/", import.meta.url).pathname;

mkdirSync(SHOTS, { recursive: true });

export function launch(flags = []) {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...FLAGS, ...flags] });
}

/** Whoever is not signed in asks, and is told so. */
export const UNKNOWN = "401 /api/v1/session";
/** A server that is away, as the browser's log tells it. */
export const AWAY = /^net::ERR_(EMPTY_RESPONSE|CONNECTION_\w+|SOCKET_NOT_CONNECTED|INCOMPLETE_CHUNKED_ENCODING) \/api\//;

/** What the browser's log says: `500 /api/v1/today`, `net::ERR_EMPTY_RESPONSE /api/v1/desk`, or the text of another error. */
function logged(message) {
  const failed = /the server responded with a status of (\d+)|(net::ERR_\w+)/.exec(message.text());
  const { url } = message.location();
  return failed && URL.canParse(url) ? `${failed[1] ?? failed[2]} ${new URL(url).pathname}` : message.text();
}

/**
 * A fresh page on `base`; `faults` tells what went wrong. An error in the browser's log is a fault, unless the test names it
 * in `expects` (as `logged` says it, whole or as a pattern); one that was named and did not come is a fault too.
 */
export async function open(browser, base, { language = "en", colorScheme = "light", size = "desk", script, hash = "", permissions = ["microphone"], expects = [], /** The page's time is the test's. */ clock = false } = {}) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme, locale: `${language}-CA`, permissions, reducedMotion: "reduce" });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const faults = [];
  const missing = new Set(expects);
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    const said = logged(message);
    const known = expects.find((one) => (one instanceof RegExp ? one.test(said) : one === said));
    if (known) missing.delete(known);
    else faults.push(said);
  });
  page.on("pageerror", (error) => faults.push(String(error.stack ?? error)));
  page.on("request", (request) => new URL(request.url()).origin !== base && !request.url().startsWith("blob:") && faults.push(`asks elsewhere: ${request.url()}`));
  if (clock) await page.clock.install();
  if (script) await page.addInitScript(script);
  await page.goto(`${base}/${hash}`);
  page.faults = () => [...faults, ...[...missing].map((one) => `expected, and did not come: ${one}`)];
  page.done = async () => {
    await context.close();
    return page.faults();
  };
  return page;
}

/** Until the page has been drawn as it is now: what depends on a size is told of it with the next frame. */
export function drawn(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** Gives the page another size, and waits until it is drawn in it. */
export async function resize(page, size) {
  await page.setViewportSize(SIZES[size]);
  await page.waitForFunction((width) => innerWidth === width, SIZES[size].width);
  await drawn(page);
}

/** Sideways scrolling and what axe-core finds. */
export async function inspect(page) {
  const found = [];
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (sideways > 0) {
    const who = await page.evaluate(() => [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")).slice(0, 3).map((e) => `${e.tagName}.${e.className}`));
    found.push(`scrolls sideways by ${sideways} px: ${who}`);
  }
  // By the debugger: the page's own policy would refuse it.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(([tags, rules]) => window.axe.run(document, { runOnly: tags, rules }), [RULES, ALSO]);
  for (const { id, help, nodes } of violations) found.push(`${id}: ${help}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
  return found;
}
