// Opens the live page of the demo in Chromium, in both languages and schemes and at two widths, and checks it with
// axe-core (WCAG 2.2 A and AA). It also fails when the page asks for anything beyond its own server, logs an error,
// scrolls sideways, or keeps the token in an address.
//
//   cargo build -p havre-console --example demo && npm install && CHROMIUM=/usr/bin/chromium npm test
//
// Screenshots go to shots/. DEMO names the demo's binary.

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DEMO = process.env.DEMO ?? "../../../../target/debug/examples/demo";
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const WIDTHS = { phone: { width: 360, height: 740 }, desk: { width: 1280, height: 900 } };
const faults = [];

mkdirSync("shots", { recursive: true });
const demos = [];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", ...QUIET],
});
try {
  for (const scene of ["busy", "calm", "quiet", "trouble"]) {
    const base = await demo(scene, {});
    for (const language of ["en", "fr"]) {
      for (const colorScheme of ["light", "dark"]) {
        for (const width of Object.keys(WIDTHS)) {
          await visit(`${scene}-${language}-${colorScheme}-${width}`, base, language, colorScheme, width, async (page) => {
            await page.waitForSelector("#board:not([hidden])");
            await page.waitForTimeout(1200);
          });
        }
      }
    }
  }
  const base = await demo("busy", { HAVRE_DEMO_SIGN_IN: "1" });
  for (const [language, colorScheme] of [["en", "light"], ["fr", "dark"]]) {
    await visit(`sign-in-${language}`, base, language, colorScheme, "phone", signIn);
  }
  await visit("stale", base, "fr", "dark", "desk", lose);
} finally {
  await browser.close();
  demos.forEach((child) => child.kill());
}
console.log(faults.length ? faults.join("\n") : "accessible: no fault found");
process.exit(faults.length ? 1 : 0);

async function visit(name, base, language, colorScheme, width, act) {
  const context = await browser.newContext({ viewport: WIDTHS[width], colorScheme, locale: `${language}-CA` });
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && !expected(message) && fault(name, message.text()));
  page.on("pageerror", (error) => fault(name, String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${base}/`)) fault(name, `asks outside: ${request.url()}`);
    if (request.url().includes("demo-token")) fault(name, `token in an address: ${request.url()}`);
  });
  await page.goto(`${base}/`);
  await act(page, name);
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (sideways > 0) fault(name, `scrolls sideways by ${sideways} px`);
  await page.screenshot({ path: `shots/${name}.png`, fullPage: true });
  // axe comes in by the debugger: the page's own policy would refuse it.
  await page.evaluate(AXE);
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await page.evaluate((tags) => axe.run(document, { runOnly: tags }), tags);
  for (const { id, help, nodes } of violations) {
    fault(name, `${id}: ${help}\n    ${nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join("\n    ")}`);
  }
  await context.close();
}

// A wrong token first, by keyboard alone; then the right one; then the other language without asking again.
async function signIn(page, name) {
  await page.waitForSelector("#sign-in:not([hidden])");
  await page.keyboard.type("wrong");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#token-error").textContent !== "");
  await page.screenshot({ path: `shots/${name}-wrong.png`, fullPage: true });
  await page.fill("#token", "demo-token");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#board:not([hidden])");
  await page.click("nav a:not([aria-current])");
  await page.waitForSelector("#board:not([hidden])");
  await page.click("#sign-out");
  await page.waitForSelector("#sign-in:not([hidden])");
  if (await page.isVisible("#board")) fault(name, "the line is shown after signing out");
}

// The node dies: the page must say that its figures are old, and its clocks must stand still.
async function lose(page, name) {
  await page.fill("#token", "demo-token");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#board:not([hidden])");
  await page.waitForTimeout(500);
  demos.at(-1).kill();
  await page.waitForSelector("#stale:not([hidden])");
  const longest = () => page.textContent("#longest");
  const before = await longest();
  await page.waitForTimeout(2500);
  if ((await longest()) !== before) fault(name, "waits go on though nobody knows them");
}

function expected(message) {
  // A draining node answers /ready with 503 and a wrong token gets 401: the browser logs both.
  return /status of (401|503)|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED/.test(message.text());
}

function fault(name, what) {
  faults.push(`${name}: ${what}`);
}

async function demo(scene, env) {
  const child = spawn(DEMO, ["0", scene], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] });
  demos.push(child);
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.stdout.on("data", (text) => {
      const address = String(text).match(/http:\/\/[\d.:]+/)?.[0];
      if (address) done(address);
    });
  });
}
