// A browser that tests drive line by line: a JSON command on standard input, its JSON answer on standard output.
// It knows Chromium and pages; what to do on them, and what to expect, is said by the tests (`src/browser.rs`).

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// The console's own tests bring playwright and axe: `make web` and `make e2e` install them.
const web = createRequire(new URL("../../../crates/console/web/package.json", import.meta.url));
const { chromium } = web("playwright-core");
const AXE = readFileSync(web.resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const [microphone] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${microphone}`, "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required",
  ],
});
const pages = [];

/** Keeps the page's connections, so that what arrives can be listened to. */
function keepConnections() {
  const Real = window.RTCPeerConnection;
  window.connections = [];
  window.RTCPeerConnection = class extends Real {
    constructor(...given) {
      super(...given);
      window.connections.push(this);
    }
  };
}

/** The strongest frequency of what arrives, its level under full scale, and the codec; null while nothing arrives. */
async function listen() {
  const connection = window.connections.findLast((one) => one.connectionState === "connected");
  const track = connection?.getReceivers().find((one) => one.track?.kind === "audio")?.track;
  if (!track) return null;
  window.ears ??= new Map();
  if (!window.ears.has(track)) {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
    new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([track]) }).connect(analyser);
    window.ears.set(track, { context, analyser });
  }
  const { context, analyser } = window.ears.get(track);
  await context.resume();
  // The window of the transform has to fill with what arrives now.
  await new Promise((done) => setTimeout(done, (analyser.fftSize / context.sampleRate) * 1_000 + 20));
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const at = bins.indexOf(Math.max(...bins));
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
  let codec = "";
  const stats = await connection.getStats();
  for (const one of stats.values()) if (one.type === "inbound-rtp" && one.codecId) codec = stats.get(one.codecId)?.mimeType ?? "";
  return { hz: (at * context.sampleRate) / analyser.fftSize, dbfs: 10 * Math.log10(power * 2 + 1e-12), codec };
}

const COMMANDS = {
  async open({ url, language, dark, width, height }) {
    const viewport = { width: width ?? 1280, height: height ?? 860 };
    const context = await browser.newContext({ viewport, locale: `${language ?? "en"}-CA`, colorScheme: dark ? "dark" : "light", permissions: ["microphone"], reducedMotion: "reduce" });
    const page = await context.newPage();
    page.faults = [];
    page.on("pageerror", (error) => page.faults.push(String(error.stack ?? error)));
    page.on("request", (request) => new URL(request.url()).host !== new URL(url).host && !request.url().startsWith("blob:") && page.faults.push(`asks elsewhere: ${request.url()}`));
    await page.addInitScript(keepConnections);
    await page.goto(url);
    return pages.push(page) - 1;
  },
  wait: ({ page, what, gone, ms }) => pages[page].waitForSelector(what, { state: gone ? "detached" : "visible", timeout: ms }).then(() => true),
  text: ({ page, what }) => pages[page].locator(what).first().innerText(),
  fill: ({ page, what, value }) => pages[page].fill(what, value).then(() => true),
  click: ({ page, what, ms }) => pages[page].click(what, { timeout: ms }).then(() => true),
  press: ({ page, key }) => pages[page].keyboard.press(key).then(() => true),
  go: ({ page, hash }) => pages[page].evaluate((hash) => void (location.hash = hash), hash).then(() => true),
  reload: ({ page }) => pages[page].reload().then(() => true),
  offline: ({ page, offline }) => pages[page].context().setOffline(offline).then(() => true),
  hear: ({ page }) => pages[page].evaluate(listen),
  shot: ({ page, path }) => pages[page].screenshot({ path, fullPage: true }).then(() => true),
  faults: ({ page }) => pages[page].faults,
  close: ({ page }) => pages[page].context().close().then(() => true),
  /** What axe-core finds, and sideways scrolling. By the debugger: the page's own policy would refuse the script. */
  async inspect({ page }) {
    const sideways = await pages[page].evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    await pages[page].evaluate(AXE);
    const { violations } = await pages[page].evaluate((tags) => window.axe.run(document, { runOnly: tags }), RULES);
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.target).join(" | ")}`);
    return sideways > 0 ? [`scrolls sideways by ${sideways} px`, ...found] : found;
  },
};

console.log(JSON.stringify({ ready: browser.version() }));
for await (const line of createInterface({ input: process.stdin })) {
  const { does, ...given } = JSON.parse(line);
  if (does === "end") break;
  try {
    console.log(JSON.stringify({ ok: (await COMMANDS[does](given)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
