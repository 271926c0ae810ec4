// What the wallboard costs: `npm run measure`. 500 advocates, 200 callers, ten changes a second of which each touches 20
// rows. Says frames a second and how long news take to the screen; and how long an offer does. On a quiet machine.

import { Mock } from "../mock/server.mjs";
import * as line from "../mock/line.mjs";
import { launch, open } from "./browser.mjs";
import { FAKE_LINE } from "./sip.mjs";

const SECONDS = 8;
const TARGET = { fps: 30, news: 100, offer: 150, usable: 1_000, load: 250_000 };
const browser = await launch();
const mock = new Mock();
await mock.listen();
mock.signIn(["supervisor"], "supervisor");
mock.board = line.large(500, 200);
const page = await open(browser, mock.base, { hash: "#/board", script: FAKE_LINE });
await page.waitForSelector(".plots canvas");

await page.evaluate(() => {
  window.frames_ = [];
  const frame = (at) => (window.frames_.push(at), requestAnimationFrame(frame));
  requestAnimationFrame(frame);
  // When the first row shows another number of the change, news are on the screen.
  window.news = [];
  const first = () => document.querySelector("[aria-labelledby=calls] .one .note")?.textContent;
  let before = first();
  new MutationObserver(() => {
    const now = first();
    if (now === before) return;
    before = now;
    requestAnimationFrame(() => window.news.push(Date.now()));
  }).observe(document.querySelector("[aria-labelledby=calls]"), { childList: true, characterData: true, subtree: true });
});
const sent = [];
const { calls, agents } = mock.board;
const first = calls.filter((call) => call.risk === "urgent").sort((a, b) => a.since - b.since)[0];
for (let n = 0; n < SECONDS * 10; n += 1) {
  const some = (list) => Array.from({ length: 10 }, (_, k) => list[(n * 10 + k) % list.length]);
  sent.push(Date.now());
  mock.change({
    calls: { set: [...some(calls).filter((call) => call !== first).map((call) => ({ ...call, ringing: [`advocate-${n}`] })), { ...first, tty: n % 2 === 0 }] },
    agents: { set: some(agents).map((agent) => ({ ...agent, since: Date.now(), state: n % 2 ? "ready" : "talking" })) },
  });
  await new Promise((done) => setTimeout(done, 100));
}
const { frames, news } = await page.evaluate(() => ({ frames: window.frames_, news: window.news }));
const fps = (frames.length - 1) / ((frames.at(-1) - frames[0]) / 1000);
const slowest = Math.max(...frames.slice(1).map((at, n) => at - frames[n]));
const delays = sent.slice(0, news.length).map((at, n) => news[n] - at).sort((a, b) => a - b);
await page.context().close();

mock.signIn(["advocate"]);
const desk = await open(browser, mock.base, { hash: "#/desk", script: FAKE_LINE });
await desk.waitForSelector(".state .row button");
// By the page's own clock, from the navigation on; what it takes to ask counts too.
const usable = await desk.evaluate(() => Math.round(performance.now()));
await desk.waitForSelector(".reach.ok");
const loaded = await desk.evaluate(() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind)).reduce((sum, one) => sum + one.transferSize, 0));
const offers = [];
for (let n = 0; n < 10; n += 1) {
  const shown = desk.evaluate(() => new Promise((done) => {
    new MutationObserver((_, observer) => document.querySelector(".offer") && (observer.disconnect(), requestAnimationFrame(() => done(Date.now())))).observe(document.querySelector("main"), { childList: true, subtree: true });
  }));
  await desk.waitForTimeout(50);
  const at = Date.now();
  mock.setDesk({ offer: line.offered() });
  offers.push((await shown) - at);
  mock.setDesk({ offer: null });
  await desk.waitForSelector(".offer", { state: "detached" });
}
offers.sort((a, b) => a - b);
await browser.close();
mock.close();

const middle = (list) => list[Math.floor(list.length / 2)];
const p95 = (list) => list[Math.floor(list.length * 0.95)];
console.log(`wallboard, 500 advocates and 200 callers, 10 changes a second: ${fps.toFixed(0)} frames a second, slowest frame ${slowest.toFixed(0)} ms`);
console.log(`news on the screen: ${delays.length} of ${sent.length}, median ${middle(delays)} ms, 95th percentile ${p95(delays)} ms`);
console.log(`offer on the screen: median ${middle(offers)} ms, slowest ${offers.at(-1)} ms`);
console.log(`desk usable ${usable} ms after the navigation, ${(loaded / 1_000).toFixed(0)} KB loaded`);
console.log("an offer on a real line, from the engine's decision: cargo bench -p havre-e2e --bench desk");
const missed = [fps < TARGET.fps && "frames", p95(delays) > TARGET.news && "news", offers.at(-1) > TARGET.offer && "offer", usable > TARGET.usable && "usable", loaded > TARGET.load && "first load"].filter(Boolean);
if (missed.length) console.log(`missed: ${missed.join(", ")}`);
process.exit(missed.length ? 1 : 0);
