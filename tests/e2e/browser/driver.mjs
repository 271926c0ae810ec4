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
  /** What it has asked for and does not have yet. Streams never end. */
  page.loading = new Set();
  page.on("request", (request) => request.resourceType() !== "eventsource" && page.loading.add(request));
  for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => page.loading.delete(request));
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
  await page.addInitScript(prepare);
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

/** Defines what is asked of a page several times: `controls()`, which a keyboard has to reach in the page's own part. */
function prepare() {
  window.controls = () => {
    const all = document.querySelectorAll("main :is(a[href], button:not(:disabled), input:not(:disabled), select, textarea, summary, [tabindex='0'])");
    return [...all].filter((one) => one.checkVisibility() && !one.closest("details:not([open]) > :not(summary)"));
  };
}

/** Those that were not seen to be reached; and whether others were there than at the beginning of the walk. */
function unreached() {
  const groups = new Set();
  const radio = (one) => one.type === "radio" && (groups.has(one.name) || !groups.add(one.name));
  const now = window.controls();
  const changed = now.length !== window.atFirst.length || now.some((one, place) => one !== window.atFirst[place]);
  return { changed, left: now.filter((one) => !window.met?.has(one) && !radio(one)).map((one) => one.outerHTML.slice(0, 90)) };
}

/** What a page looks like two frames from now, as far as a test can tell whether it is still being built. */
async function shape() {
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
  const { scrollWidth, scrollHeight } = document.documentElement;
  return JSON.stringify([location.hash, document.querySelector("main h1, main h2, main table")?.textContent ?? null, window.controls().length, scrollWidth, scrollHeight]);
}

/** Waits until everything is there: a heading or a table, nothing that is still on its way, and three looks alike. */
async function settled(page, ms = 30_000) {
  const end = Date.now() + ms;
  for (let before = "", alike = 0; alike < 3; ) {
    const now = await page.evaluate(shape);
    alike = now === before && page.loading.size === 0 && JSON.parse(now)[1] !== null ? alike + 1 : 0;
    if (Date.now() > end) throw new Error(`still changes: ${before}, then ${now}; on their way: ${[...page.loading].map((one) => one.url())}`);
    before = now;
  }
}

/** Notes whether elements or their attributes change from now on; the clock's texts do not count. */
function watch() {
  window.changes = 0;
  window.watcher?.disconnect();
  window.watcher = new MutationObserver((all) => (window.changes += all.length));
  window.watcher.observe(document.documentElement, { childList: true, attributes: true, subtree: true });
}

/** As many as somebody reads. */
const some = (found) => (found.length > 8 ? [...found.slice(0, 8), `and ${found.length - 8} more`] : found);

/** How often a page that others change meanwhile is looked at anew, before what was found counts. */
const LOOKS = 5;

async function inspect(page) {
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  const moving = await page.evaluate(() => document.getAnimations().map((one) => `moves: ${one.animationName ?? one.transitionProperty}`));
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(([tags, rules]) => window.axe.run(document, { runOnly: tags, rules }), [RULES, ALSO]);
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.target).join(" | ")}`);
  return [...(sideways > 0 ? [`scrolls sideways by ${sideways} px`] : []), ...moving, ...found];
}

async function walk(page) {
  const { keyboard } = page;
  // From the beginning, and not from where the focus was; and once everything is there.
  await page.reload();
  await page.waitForSelector("nav");
  await settled(page);
  const count = await page.evaluate(() => (window.atFirst = window.controls()).length);
  const wrong = [];
  await keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.outerHTML.slice(0, 90));
  if (!first.includes('class="skip"')) wrong.push(`the first is not the way to the content, but ${first}`);
  await keyboard.press("Enter");
  for (let step = 0; step < count * 2 + 30; step += 1) {
    await keyboard.press("Tab");
    const { inside, seen, backwards, what } = await page.evaluate(focused);
    if (!inside) break;
    if (!seen) wrong.push(`no focus to be seen: ${what}`);
    if (backwards) wrong.push(`goes back: ${what}`);
  }
  const { changed, left } = await page.evaluate(unreached);
  return { changed, wrong: [...wrong, ...left.map((one) => `not reached: ${one}`)] };
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
    let wrong = [];
    for (let look = 0; look < LOOKS; look += 1) {
      let changed;
      ({ wrong, changed } = await walk(pages[page]));
      // A call that came or went took a control with it, or brought one: another walk tells what is wrong with the page itself.
      if (wrong.length === 0 || !changed) break;
      wrong.push(`and the page changed in each of ${look + 1} walks`);
    }
    return some(wrong);
  },
  close: ({ page }) => pages[page].context().close().then(() => true),
  /** What axe-core finds, sideways scrolling, and what moves although the person asked for rest. By the debugger: the page's own policy would refuse the script. */
  async inspect({ page }) {
    let found = [];
    for (let look = 0; look < LOOKS; look += 1) {
      await settled(pages[page]);
      await pages[page].evaluate(watch);
      found = await inspect(pages[page]);
      if (found.length === 0 || (await pages[page].evaluate(() => window.changes)) === 0) break;
    }
    return some(found);
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
