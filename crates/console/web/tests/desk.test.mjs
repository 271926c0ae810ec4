// The advocate's desk: being reachable and saying so truly, an offer, a talk, what may go wrong with each.

import assert from "node:assert/strict";
import { test } from "node:test";
import { offered, talking } from "../mock/line.mjs";
import { AWAY } from "./browser.mjs";
import { talk } from "./scenes.mjs";
import { FAKE_LINE } from "./sip.mjs";
import { sent, stage, until } from "./stage.mjs";

const on = stage();
const desk = (act, options) => on.as(["advocate"], "#/desk", act, options);
const CALL = "c00000000000000aa";
const ring = (page, headers = {}) => page.evaluate((headers) => window.fakeLine.invite(headers), { "X-Havre-Call": CALL, ...headers });
const seen = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("fake.seen") ?? "[]"));

test("states change by button and by key", desk(async (page, mock) => {
  await page.waitForSelector(".state.ready");
  await page.keyboard.press("b");
  await page.waitForSelector(".state.not_ready");
  assert.deepEqual(sent(mock, "PUT /api/v1/desk/state"), { command: "break" });
  // News may come before the answer to the command, and until that no other is given.
  await page.waitForSelector(".state button.go:enabled");
  await page.keyboard.press("r");
  await page.waitForSelector(".state.ready");
  mock.setDesk({ state: { name: "wrap_up", reason: null, since: Date.now(), until: null } });
  await page.click("text=15 minutes for me");
  await page.waitForSelector("text=This time is yours");
  assert.deepEqual(sent(mock, "PUT /api/v1/desk/state"), { command: "hard_call" });
  mock.setDesk({ state: { name: "wrap_up", reason: null, since: Date.now(), until: null } });
  await page.waitForSelector(".state.wrap_up button.go:enabled");
  await page.keyboard.press("r");
  await until(() => sent(mock, "PUT /api/v1/desk/state")?.command === "end_wrap_up", "wrap-up ended");
  // One that ends by itself says so.
  mock.setDesk({ state: { name: "wrap_up", reason: null, since: Date.now(), until: Date.now() + 40_000 } });
  await page.waitForSelector("text=/You are called again in \\d+.s/");
}));

test("an answer that comes after newer news changes nothing", desk(async (page, mock) => {
  await page.waitForSelector(".state.ready");
  await page.route("**/api/v1/desk/state", async (route) => {
    const answer = await route.fetch();
    await page.waitForSelector(".state.not_ready");
    mock.setDesk({ state: { name: "wrap_up", reason: null, since: Date.now(), until: Date.now() + 40_000 } });
    await page.waitForSelector("text=You are called again");
    await route.fulfill({ response: answer });
  });
  const answered = page.waitForResponse("**/api/v1/desk/state");
  await page.keyboard.press("b");
  await (await answered).finished();
  await page.waitForSelector("button.go:enabled");
  assert.equal(await page.locator(".state.wrap_up").count(), 1);
}));

test("an offer is answered by key, talked in, and ended in two steps", desk(async (page, mock) => {
  await talk(page, mock);
  await until(() => page.evaluate(() => window.fakeLine.peer.connectionState === "connected"), "media connected");
  assert.equal(await page.textContent(".last .word"), "Yes");
  assert.deepEqual(await page.locator(".talk ol li span:first-child").allTextContents(), ["Key 9", "Yes", "No", "No"]);
  assert.match(await page.textContent("[role=status][aria-live]"), /The caller says: Yes/);
  await page.keyboard.press("m");
  await page.waitForSelector("text=Your microphone is off");
  await page.keyboard.press("m");
  await page.keyboard.press("h");
  await page.waitForSelector("text=On hold");
  await until(() => page.evaluate(() => /a=recvonly|a=inactive|a=sendonly/.test(window.fakeLine.peer.remoteDescription.sdp)), "hold in the SDP");
  await page.keyboard.press("h");
  await page.waitForSelector("text=On hold", { state: "detached" });
  await page.click("text=Make it urgent");
  await page.waitForSelector(".talk .badge.urgent");
  await page.click("text=End the call");
  assert.ok(!(await seen(page)).includes("BYE"), "one press ends nothing");
  await page.click("text=Yes, end it");
  await until(async () => (await seen(page)).includes("BYE"), "BYE");
}));

test("when a key was pressed is no length, in French either", desk(async (page, mock) => {
  await talk(page, mock);
  assert.match(await page.locator(".talk ol li").first().textContent(), /^Touche 9 \d\d:\d\d:\d\d$/);
}, { language: "fr" }));

test("a talk is not ended by accident, and nobody signs out of one", desk(async (page, mock) => {
  await talk(page, mock);
  await page.click("text=End the call");
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  await until(async () => (await focused()) === "Stay", "the harmless answer has the focus");
  await page.keyboard.press("Escape");
  await until(async () => (await focused()) === "End the call", "the focus goes back");
  await page.click("text=Sign out");
  await page.waitForSelector("text=the caller must not be cut off");
  assert.ok(await page.locator(".talk .controls").isVisible());
  assert.ok(!mock.asked.some((one) => one.what === "DELETE /api/v1/session"));
  assert.ok(!(await seen(page)).includes("BYE"));
}));

test("letters can be switched off, and then no button shows or obeys one", desk(async (page, mock) => {
  await page.waitForSelector(".reach.ok");
  await page.keyboard.press("?");
  await page.click("text=Single-letter shortcuts");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  assert.equal(await page.locator(".state button kbd:visible").count(), 0);
  await page.keyboard.press("b");
  await page.keyboard.press("?");
  mock.setDesk({ offer: offered() });
  await ring(page);
  await page.waitForSelector(".offer");
  await until(async () => /Press Enter to answer/.test(await page.textContent("[role=status][aria-live]")), "said");
  await page.keyboard.press("n");
  await page.keyboard.press("a");
  assert.ok(await page.locator(".offer .go").isEnabled(), "it is not being answered");
  assert.equal(await page.locator("dialog").count(), 0);
  assert.equal(sent(mock, "PUT /api/v1/desk/state"), undefined);
  assert.ok(!(await page.evaluate(() => window.fakeLine.answered || window.fakeLine.status === 486)));
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("Enter");
  await until(() => page.evaluate(() => window.fakeLine.answered === 1), "answered");
}));

test("a history or a province that cannot be read is said, not shown as none", desk(async (page) => {
  await page.waitForSelector("[aria-labelledby=history] >> text=Something failed on our side");
  await page.waitForSelector("[aria-labelledby=province] >> text=Something failed on our side");
  assert.equal(await page.locator("text=None yet.").count(), 0);
}, { set: (mock) => (mock.broken = ["/history", "/provinces"]), expects: ["500 /api/v1/desk/history", "500 /api/v1/provinces"] }));

test("the caller's voice and ours are heard", desk(async (page, mock) => {
  await talk(page, mock);
  const level = (source) => page.evaluate(async (source) => {
    const stats = await window.fakeLine.peer.getStats();
    for (const one of stats.values()) if (one.type === source) return source === "inbound-rtp" ? one.packetsReceived : one.packetsSent;
    return 0;
  }, source);
  await until(async () => (await level("inbound-rtp")) > 20 && (await level("outbound-rtp")) > 20, "packets both ways");
}));

test("an offer that shows before its INVITE is answered when that comes", desk(async (page, mock) => {
  await page.waitForSelector(".reach.ok");
  mock.setDesk({ offer: offered() });
  await page.waitForSelector(".offer");
  await page.click(".offer .go");
  await ring(page);
  await until(() => page.evaluate(() => window.fakeLine.answered === 1), "answered");
}));

test("not now sends the caller on to somebody else", desk(async (page, mock) => {
  await page.waitForSelector(".reach.ok");
  mock.setDesk({ offer: offered() });
  await ring(page);
  await page.waitForSelector(".offer");
  await page.keyboard.press("n");
  await until(() => page.evaluate(() => window.fakeLine.status === 486), "486");
}));

test("an offer is announced once, not with each tick", desk(async (page, mock) => {
  await page.waitForSelector(".reach.ok");
  await page.evaluate(() => {
    window.spoken = [];
    const region = document.querySelector("[role=status][aria-live]");
    new MutationObserver(() => window.spoken.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
  });
  for (const minutes of [10, 20, 30, 40]) {
    mock.setDesk({ offer: offered({ waited_ms: minutes * 60_000 }) });
    await page.locator(".offer .facts", { hasText: `${minutes}:0` }).waitFor();
  }
  assert.deepEqual(await page.evaluate(() => window.spoken), ["Incoming call: French, Urgent. Press A to answer."]);
}));

test("green only when the server sees this page too", desk(async (page, mock) => {
  await page.waitForSelector("text=Havre does not see this page’s phone");
  mock.setDesk({ reachable: { browser: true, phones: 0, unheard: false, since: Date.now() } });
  await page.waitForSelector(".reach.ok");
  mock.crash();
  await page.waitForSelector("text=the connection to Havre is lost");
  mock.up();
  await page.waitForSelector(".reach.ok");
}, { set: (mock) => mock.setDesk({ reachable: { browser: false, phones: 0, unheard: false, since: Date.now() } }), expects: [AWAY] }));

test("the phone registers again after its connection broke", desk(async (page) => {
  await page.waitForSelector(".reach.ok");
  const before = await page.evaluate(() => window.fakeLine.registered);
  await page.evaluate(() => { window.fakeLine.refuse = true; window.fakeLine.drop(); });
  await page.waitForSelector("text=the phone in this page is not");
  await page.evaluate(() => (window.fakeLine.refuse = false));
  await page.waitForSelector(".reach.ok");
  assert.ok((await page.evaluate(() => window.fakeLine.registered)) > before);
}));

test("a broken connection in a talk hangs up on nobody", desk(async (page, mock) => {
  await talk(page, mock);
  await page.evaluate(() => { window.fakeLine.registered = 0; window.fakeLine.drop(); });
  await until(() => page.evaluate(() => window.fakeLine.registered > 0), "registered again");
  assert.equal(await page.locator(".talk .controls").count(), 1);
  // The server rings again for the same talk, and the page answers by itself.
  await page.evaluate(() => (window.fakeLine.answered = 0));
  await ring(page, { "X-Havre-Resume": "yes" });
  await until(() => page.evaluate(() => window.fakeLine.answered === 1), "answered by itself");
  assert.ok(!(await seen(page)).includes("BYE"));
}));

test("a reload in a talk hangs up on nobody and takes the talk up again", desk(async (page, mock) => {
  await talk(page, mock);
  page.on("dialog", (dialog) => void dialog.accept());
  await page.reload();
  await page.waitForSelector(".reach.ok");
  await page.waitForSelector(".talk");
  assert.ok(!(await seen(page)).includes("BYE"));
  await ring(page, { "X-Havre-Resume": "yes" });
  await page.waitForSelector(".talk .controls");
}));

test("two tabs: one is the phone, and the other can take it over", desk(async (page, mock) => {
  await talk(page, mock);
  const other = await page.context().newPage();
  await other.addInitScript(FAKE_LINE);
  await other.goto(`${mock.base}/#/desk`);
  await other.waitForSelector("text=Your desk is open in another tab");
  assert.equal(await other.evaluate(() => window.fakeLine.registered), 0);
  await other.click("text=Use it here");
  await other.waitForSelector(".reach.ok");
  await page.waitForSelector("text=Your desk is open in another tab");
  assert.ok(!(await seen(page)).includes("BYE"));
  await other.close();
  await page.waitForSelector(".reach.ok");
  // The connection that was given up takes two seconds to end, and is nobody's news by then.
  await page.clock.runFor(3_000);
  await page.clock.runFor(1_000);
  assert.equal(await page.locator(".reach.ok").count(), 1, await page.textContent(".reach"));
}, { clock: true }));

test("a microphone that is refused is said in plain words", desk(async (page) => {
  await page.waitForSelector("text=the microphone is not allowed");
  await page.waitForSelector("text=Click the sign beside the address");
}, {
  script: `${FAKE_LINE};
    navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "NotAllowedError"); };
    navigator.permissions.query = async () => Object.assign(new EventTarget(), { state: "denied" });`,
}));

test("nobody is asked to allow a microphone of which the browser has not told yet", desk(async (page) => {
  await page.waitForSelector(".state.ready");
  await page.waitForFunction(() => window.tell);
  await page.clock.runFor(2_000);
  assert.match(await page.textContent(".reach"), /Connecting…/);
  await page.evaluate(() => window.tell());
  await page.waitForSelector(".reach.ok");
}, {
  clock: true,
  script: `${FAKE_LINE};
    const query = navigator.permissions.query.bind(navigator.permissions);
    navigator.permissions.query = async (what) => { await new Promise((done) => (window.tell = done)); return query(what); };`,
}));

test("no microphone at all is said in plain words", desk(async (page) => {
  await page.waitForSelector("text=there is no microphone");
}, { script: `${FAKE_LINE}; navigator.mediaDevices.enumerateDevices = async () => [];` }));

test("sound that a network blocks is said within ten seconds", desk(async (page, mock) => {
  await page.waitForSelector(".reach.ok");
  mock.setDesk({ offer: offered() });
  // Nobody answers at that address (RFC 5737).
  await page.evaluate((call) => window.fakeLine.invite({ "X-Havre-Call": call }, { nowhere: true }), CALL);
  await page.waitForSelector(".offer");
  await page.keyboard.press("a");
  await until(() => page.evaluate(() => window.fakeLine.status === 200), "answered");
  await page.clock.runFor(10_000);
  // A slow machine may take a moment more to draw it.
  await until(() => page.locator("text=no sound gets through").count(), "it is said", 5_000);
  await page.waitForSelector("text=Switch off a VPN");
}, { clock: true }));

test("the test call comes back as an echo", on.as(["advocate"], "#/sound", async (page) => {
  await page.waitForSelector(".meter");
  await until(async () => Number(await page.getAttribute("[role=meter]", "aria-valuenow")) > 10, "the level moves");
  await page.click("text=Make a test call");
  await page.waitForSelector("text=you should hear yourself a moment later");
  await page.click("text=End the test call");
  await page.waitForSelector("text=Nobody else is called");
}));

test("the province is kept for the session only", desk(async (page) => {
  await page.selectOption("#province-id", "qc");
  await page.waitForSelector("text=Awaiting legal review");
  assert.equal(await page.evaluate(() => sessionStorage.getItem("havre.province")), "qc");
  assert.equal(await page.evaluate(() => localStorage.getItem("havre.province")), null);
}));

test("another phone's talk is shown without this page's buttons", desk(async (page) => {
  await page.waitForSelector("text=You are talking on your other phone");
  assert.equal(await page.locator(".controls").count(), 0);
}, { set: (mock) => mock.setDesk({ talk: talking() }) }));

test("a desk that is open on another page still rings", on.as(["supervisor"], "#/board", async (page, mock) => {
  await page.waitForSelector(".figures");
  await until(() => page.evaluate(() => window.fakeLine.registered > 0), "registered");
  mock.setDesk({ offer: offered() });
  await ring(page);
  await page.waitForSelector(".strip.offered");
  await page.keyboard.press("a");
  await until(() => page.evaluate(() => window.fakeLine.answered === 1), "answered");
}));

test("a talk that is ended while the connection is cut ends as soon as there is another", desk(async (page, mock) => {
  await talk(page, mock);
  await page.click("text=End the call");
  await page.evaluate(() => { window.fakeLine.refuse = true; window.fakeLine.drop(); });
  await page.waitForSelector(".talk .controls button:disabled");
  await page.click("text=Yes, end it");
  await page.waitForSelector("text=Ending the call as soon as the connection is back");
  assert.ok(!(await seen(page)).includes("BYE"), "nobody would hear it");
  await page.evaluate(() => (window.fakeLine.refuse = false));
  await until(async () => (await seen(page)).includes("BYE"), "BYE");
}));

test("a talk that the line knows no more is over, though its BYE never came", desk(async (page, mock) => {
  await talk(page, mock);
  await page.evaluate(() => window.fakeLine.drop());
  mock.setDesk({ talk: null, state: { name: "wrap_up", reason: null, since: Date.now(), until: null } });
  await page.waitForSelector(".state.wrap_up");
  assert.equal(await page.locator(".talk").count(), 0);
  assert.ok(!(await seen(page)).includes("BYE"));
}));

test("who cannot be reached is not told to wait for a ring", desk(async (page, mock) => {
  await page.waitForSelector("text=When somebody calls, it rings here.");
  mock.setDesk({ reachable: { browser: false, phones: 0, unheard: false, since: Date.now() } });
  await page.waitForSelector("text=calls cannot reach you yet");
  assert.doesNotMatch(await page.textContent(".state"), /rings here/);
  // Another phone of theirs rings.
  mock.setDesk({ reachable: { browser: false, phones: 1, unheard: false, since: Date.now() } });
  await page.waitForSelector("text=When somebody calls, it rings here.");
}));

test("a desk of which nothing was heard says what to do, and checks by itself", desk(async (page, mock) => {
  await page.waitForSelector("text=no sound gets through from this page");
  await page.waitForSelector("text=Switch off a VPN");
  await until(async () => (await seen(page)).includes("INVITE"), "a check");
  mock.setDesk({ reachable: { browser: true, phones: 0, unheard: false, since: Date.now() } });
  await page.waitForSelector(".reach.ok");
}, { set: (mock) => mock.setDesk({ reachable: { browser: true, phones: 0, unheard: true, since: Date.now() } }) }));
