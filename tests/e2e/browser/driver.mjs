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
// axe leaves the first out unless it is named; the second must not depend on what axe counts as a best practice.
const ALSO = { "target-size": { enabled: true }, region: { enabled: true } };
const { SCRIPTS } = await import("../../../crates/console/web/tests/scripts.mjs");

/** `refuse`: nobody allows the microphone. `flags`: Chromium's own, besides ours. */
const [microphone, given] = process.argv.slice(2);
const { refuse, flags } = JSON.parse(given);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${microphone}`,
    "--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required",
    ...(refuse ? [] : ["--use-fake-ui-for-media-stream"]), ...flags,
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

/** Keeps the page's WebSockets, so that its phone's can be cut. */
function keepSockets() {
  const Real = window.WebSocket;
  window.sockets = [];
  window.WebSocket = class extends Real {
    constructor(...given) {
      super(...given);
      window.sockets.push(this);
    }
  };
}

/** Notes each time that something comes up that matches: when it was painted, in milliseconds since 1970. */
function note(what) {
  window.noted = [];
  let there = false;
  new MutationObserver(() => {
    const was = there;
    there = Boolean(document.querySelector(what));
    if (there && !was) requestAnimationFrame(() => window.noted.push(Date.now()));
  }).observe(document.body, { childList: true, subtree: true });
}

/** Notes each text that what matches shows, and when it was painted; and when each frame was. */
function follow(what) {
  window.followed = [];
  window.painted = [];
  let before = document.querySelector(what)?.textContent;
  new MutationObserver(() => {
    const text = document.querySelector(what)?.textContent ?? "";
    if (text === before) return;
    before = text;
    requestAnimationFrame(() => window.followed.push([Date.now(), text]));
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
  const frame = (at) => (window.painted.push(at), requestAnimationFrame(frame));
  requestAnimationFrame(frame);
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

async function load(context, url) {
  const page = await context.newPage();
  const { host } = new URL(url);
  page.faults = [];
  /** What the server said to it: its JSON, and its SIP. */
  page.told = [];
  // A fault of the server's; 503 is none: the line says so while it is busy or ends.
  page.on("response", (response) => response.status() >= 500 && response.status() !== 503 && page.faults.push(`${response.status()} ${response.url()}`));
  page.on("pageerror", (error) => page.faults.push(String(error.stack ?? error)));
  page.on("request", (request) => new URL(request.url()).host !== host && !request.url().startsWith("blob:") && page.faults.push(`asks elsewhere: ${request.url()}`));
  page.on("dialog", (dialog) => {
    // Ours is the one that asks whoever leaves in a talk.
    if (dialog.type() !== "beforeunload") page.faults.push(`dialog: ${dialog.message()}`);
    dialog.accept().catch(() => {});
  });
  page.on("response", (response) => /json/.test(response.headers()["content-type"] ?? "") && response.text().then((text) => page.told.push(text), () => {}));
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => page.told.push(String(payload))));
  await page.addInitScript(keepConnections);
  await page.addInitScript(keepSockets);
  await page.goto(url);
  return pages.push(page) - 1;
}

/** What script has done to the page, or could do when something is clicked. */
function effects() {
  const found = [...document.querySelectorAll("main :is(script, img, iframe, style, math, a[href^='javascript' i], [onload], [onerror], [onclick], [onmouseover], [ontoggle])")].map((one) => one.outerHTML.slice(0, 90));
  return window.pwned === undefined ? found : [`ran: ${window.pwned}`, ...found];
}

/** Everything that the page holds where somebody could find it. */
function held() {
  return [document.documentElement.outerHTML, document.body.innerText, location.href, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })];
}

/** The control that has the focus: whether it is in the page's own part, is seen to have it, and is behind the one before. */
function focused() {
  const one = document.activeElement;
  const before = window.focusedBefore;
  window.focusedBefore = one;
  if (!one.closest("main")) return { inside: false };
  window.met ??= new Set();
  window.met.add(one);
  const ring = (element) => element && getComputedStyle(element).outlineStyle !== "none";
  const backwards = before?.closest("main") && Boolean(one.compareDocumentPosition(before) & Node.DOCUMENT_POSITION_FOLLOWING);
  // The focus of a hidden file input shows on its label, and a native input's on itself.
  const seen = ring(one) || ring(document.querySelector(`label[for="${CSS.escape(one.id || "-")}"]`));
  return { inside: true, seen, backwards, what: one.outerHTML.slice(0, 90) };
}

/** Those in the page's own part that a keyboard has to reach, and was not seen to. */
function unreached() {
  const all = document.querySelectorAll("main :is(a[href], button:not(:disabled), input:not(:disabled), select, textarea, summary, [tabindex='0'])");
  const shown = [...all].filter((one) => one.checkVisibility() && !one.closest("details:not([open]) > :not(summary)"));
  const groups = new Set();
  const radio = (one) => one.type === "radio" && (groups.has(one.name) || !groups.add(one.name));
  return { count: shown.length, left: shown.filter((one) => !window.met?.has(one) && !radio(one)).map((one) => one.outerHTML.slice(0, 90)) };
}

const COMMANDS = {
  scripts: ({ count }) => SCRIPTS.slice(0, count),
  async open({ url, language, dark, width, height }) {
    const viewport = { width: width ?? 1280, height: height ?? 860 };
    const context = await browser.newContext({ viewport, locale: `${language ?? "en"}-CA`, colorScheme: dark ? "dark" : "light", permissions: refuse ? [] : ["microphone"], reducedMotion: "reduce" });
    return load(context, url);
  },
  /** Another tab of the same browser, at the same address. */
  tab: ({ page }) => load(pages[page].context(), pages[page].url()),
  wait: ({ page, what, gone, ms }) => pages[page].waitForSelector(what, { state: gone ? "detached" : "visible", timeout: ms }).then(() => true),
  text: ({ page, what }) => pages[page].locator(what).first().innerText(),
  fill: ({ page, what, value }) => pages[page].fill(what, value).then(() => true),
  click: ({ page, what, ms }) => pages[page].click(what, { timeout: ms }).then(() => true),
  press: ({ page, key }) => pages[page].keyboard.press(key).then(() => true),
  go: ({ page, hash }) => pages[page].evaluate((hash) => void (location.hash = hash), hash).then(() => true),
  /** Its size, its colours, and by its own button its language. */
  async look({ page, language, dark, width, height, ms }) {
    const one = pages[page];
    await one.setViewportSize({ width, height });
    await one.emulateMedia({ colorScheme: dark ? "dark" : "light" });
    if ((await one.getAttribute("html", "lang")) !== `${language}-CA`) await one.click(`header button[lang=${language}-CA]`, { timeout: ms });
    await one.waitForSelector(`html[lang=${language}-CA]`, { timeout: ms });
  },
  reload: ({ page }) => pages[page].reload().then(() => true),
  /** Cuts the phone's connection, and nothing else. */
  cut: ({ page }) => pages[page].evaluate(() => window.sockets.filter((one) => one.readyState === WebSocket.OPEN && new URL(one.url).pathname === "/sip").map((one) => one.close()).length),
  /** The ICE user names of the page's connection: the line's and its own. */
  ice: ({ page }) => pages[page].evaluate(() => {
    const connection = window.connections.findLast((one) => one.connectionState === "connected");
    return [connection?.remoteDescription, connection?.localDescription].map((one) => one?.sdp.match(/^a=ice-ufrag:(\S+)/m)?.[1] ?? "");
  }),
  note: ({ page, what }) => pages[page].evaluate(note, what).then(() => true),
  noted: ({ page }) => pages[page].evaluate(() => window.noted),
  follow: ({ page, what }) => pages[page].evaluate(follow, what).then(() => true),
  followed: ({ page }) => pages[page].evaluate(() => ({ texts: window.followed, painted: window.painted })),
  offline: ({ page, offline }) => pages[page].context().setOffline(offline).then(() => true),
  hear: ({ page }) => pages[page].evaluate(listen),
  shot: ({ page, path }) => pages[page].screenshot({ path, fullPage: true }).then(() => true),
  faults: ({ page }) => pages[page].faults,
  effects: ({ page }) => pages[page].evaluate(effects),
  count: ({ page, what }) => pages[page].locator(what).count(),
  /** Which of these words the page holds, or was ever told. */
  async holds({ page, words }) {
    const all = [...(await pages[page].evaluate(held)), ...pages[page].told];
    return words.filter((word) => all.some((text) => text.includes(word)));
  },
  /** A walk by the tabulator from the page's beginning; what is wrong with it. */
  async walk({ page }) {
    const { keyboard } = pages[page];
    // From the beginning, and not from where the focus was; and once everything is there.
    await pages[page].reload();
    await pages[page].waitForSelector("nav");
    for (let before = -1, now = 0; before !== now; before = now, now = (await pages[page].evaluate(unreached)).count) await pages[page].waitForTimeout(200);
    await keyboard.press("Tab");
    const first = await pages[page].evaluate(() => document.activeElement.className);
    if (first !== "skip") return [`the first is not the way to the content, but ${first}`];
    await keyboard.press("Enter");
    const wrong = [];
    const { count } = await pages[page].evaluate(unreached);
    for (let step = 0; step < count * 2 + 30; step += 1) {
      await keyboard.press("Tab");
      const { inside, seen, backwards, what } = await pages[page].evaluate(focused);
      if (!inside) break;
      if (!seen) wrong.push(`no focus to be seen: ${what}`);
      if (backwards) wrong.push(`goes back: ${what}`);
    }
    const { left } = await pages[page].evaluate(unreached);
    return [...wrong, ...left.map((one) => `not reached: ${one}`)];
  },
  close: ({ page }) => pages[page].context().close().then(() => true),
  /** What axe-core finds, sideways scrolling, and what moves although the person asked for rest. By the debugger: the page's own policy would refuse the script. */
  async inspect({ page }) {
    const sideways = await pages[page].evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    const moving = await pages[page].evaluate(() => document.getAnimations().map((one) => `moves: ${one.animationName ?? one.transitionProperty}`));
    if (!(await pages[page].evaluate(() => "axe" in window))) await pages[page].evaluate(AXE);
    const { violations } = await pages[page].evaluate(([tags, rules]) => window.axe.run(document, { runOnly: tags, rules }), [RULES, ALSO]);
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.target).join(" | ")}`);
    return [...(sideways > 0 ? [`scrolls sideways by ${sideways} px`] : []), ...moving, ...found];
  },
};

/** Answers by the command's number: while one page works, another may be told something. */
async function carryOut({ does, number, ...given }) {
  try {
    console.log(JSON.stringify({ number, ok: (await COMMANDS[does](given)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ number, error: String(error) }));
  }
}

console.log(JSON.stringify({ number: 0, ok: browser.version() }));
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.does === "end") break;
  void carryOut(command);
}
await browser.close();
// Its input is still open, and would keep it.
process.exit(0);
