// The wallboard: what changes and only that, waits that tick, alarms that speak once, acts with their requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as line from "../mock/line.mjs";
import { AWAY } from "./browser.mjs";
import { settled } from "./scenes.mjs";
import { FAKE_LINE } from "./sip.mjs";
import { sent, stage, until } from "./stage.mjs";

const on = stage();
const board = (act, options) => on.as(["supervisor"], "#/board", async (page, mock) => {
  await page.waitForSelector(".figures");
  await act(page, mock);
}, options);
const rows = (page) => page.locator("[aria-labelledby=calls] .one");

test("callers stand in the order of the line, and their waits tick", board(async (page) => {
  const risks = await rows(page).locator(".badge").allTextContents();
  assert.deepEqual(risks.slice(0, 4), ["Urgent", "Elevated", "Standard", "Standard"]);
  const wait = () => rows(page).first().locator(".time").textContent();
  const before = await wait();
  await until(async () => (await wait()) !== before, "it ticks");
}));

test("a change touches its own row and no other", board(async (page, mock) => {
  await page.evaluate(() => {
    window.touched = new Set();
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const element = target.nodeType === 1 ? target : target.parentElement;
        const row = element?.closest(".one");
        // Clocks tick everywhere.
        if (row && !element.closest(".time")) window.touched.add(row.getAttribute("aria-rowindex"));
      }
    }).observe(document.querySelector("[aria-labelledby=team]"), { childList: true, characterData: true, subtree: true, attributes: true });
  });
  mock.change({ agents: { set: [{ ...mock.board.agents[1], languages: ["fr", "en", "es"] }] } });
  await page.waitForSelector("text=French, English, Spanish");
  assert.deepEqual(await page.evaluate(() => [...window.touched]).then((all) => all.length), 1);
}));

test("what is told of a row or a language's service leaves the rest of it as it was", board(async (page, mock) => {
  mock.change({ calls: { set: [line.call(99, "fr", "urgent", "waiting", Date.now() - 500_000, {})] } });
  const first = () => rows(page).first().textContent();
  await until(async () => /French.*Urgent/.test(await first()), "it comes");
  mock.change({ calls: { set: [{ id: "c0000000000000063", ringing: ["advocate-fr"] }] } });
  await until(async () => /French.*Urgent.*rings: advocate-fr/.test(await first()), await first());
  const { id } = mock.board.agents[1];
  const agent = () => page.locator("[aria-labelledby=team] .all [role=row]").filter({ has: page.getByText(id, { exact: true }) }).textContent();
  const [spoken] = /(English|French).*/.exec(await agent());
  assert.doesNotMatch(await agent(), /Phone rings/);
  mock.change({ agents: { set: [{ id, state: "offered", since: Date.now(), ends_in_ms: 12_000 }] } });
  await until(async () => /Phone rings/.test(await agent()), "it rings");
  assert.ok((await agent()).endsWith(spoken), await agent());
  const served = () => page.locator("[aria-labelledby=service] tbody tr").allTextContents();
  const before = await served();
  mock.change({ service: [{ ...mock.board.service[0], answered: 777 }] });
  await until(async () => /777/.test((await served()).join()), "new figures");
  const after = await served();
  assert.equal(after.length, before.length);
  assert.equal(after.filter((row, place) => row !== before[place]).length, 1);
}));

test("calls come and go", board(async (page, mock) => {
  const before = await rows(page).count();
  mock.change({ calls: { set: [line.call(99, "fr", "urgent", "waiting", Date.now() - 500_000, {})] } });
  await until(async () => (await rows(page).count()) === before + 1, "it comes");
  assert.match(await rows(page).first().textContent(), /8:[1-5]\d/);
  mock.change({ calls: { gone: ["c0000000000000063"] } });
  await until(async () => (await rows(page).count()) === before, "it goes");
}));

test("only a new alarm speaks", board(async (page, mock) => {
  assert.equal(await page.textContent("[role=alert]"), "");
  const trunk = { kind: "trunk_down", since: Date.now(), call: null, agent: null, trunk: "east", language: null, ends: null };
  mock.change({ alarms: [...mock.board.alarms, trunk] });
  await until(async () => (await page.textContent("[role=alert]")) === "A trunk is down (east)", "spoken");
  mock.change({ alarms: [trunk] });
  await until(async () => !/west/.test(await page.textContent("[aria-label=Alarms]")), "the others are over");
  assert.equal(await page.textContent("[role=alert]"), "A trunk is down (east)");
}));

test("a certificate that ends says when, and leaves with its renewal", board(async (page, mock) => {
  const ends = Date.now() + 2 * 24 * 3_600_000;
  const certificate = (kind, ends) => ({ kind, since: Date.now(), call: null, agent: null, trunk: null, language: null, ends });
  mock.change({ alarms: [certificate("certificate_soon", ends), certificate("certificate_urgent", ends), certificate("certificate_expired", Date.now() - 1_000)] });
  const grave = page.locator("[aria-label=Alarms] li.grave");
  await until(async () => (await grave.count()) === 2, "what cannot wait is red");
  const day = new Date(ends).toLocaleDateString("en-CA", { day: "numeric", month: "short" }).replace(" ", "\u00a0");
  const said = await page.locator("[aria-label=Alarms] li").allTextContents();
  assert.ok(said.filter((text) => text.includes(`ends: ${day}`)).length === 2 && said.some((text) => text.includes("ended: ")), said.join("\n"));
  mock.change({ alarms: [], calls: { gone: mock.board.calls.map((call) => call.id) } });
  await page.waitForSelector("text=Nothing needs attention.");
}));

test("who waits is never nothing: within the target, beyond it, and with nobody to answer", board(async (page, mock) => {
  const gone = mock.board.calls.map((call) => call.id);
  const waits = (seconds, more = {}) => mock.change({ alarms: [], calls: { gone, set: [line.call(50, "fr", "standard", "waiting", Date.now() - seconds * 1_000, more)] } });
  const said = () => page.locator("[aria-label=Alarms] li > span:first-child").allTextContents();
  waits(2);
  await page.waitForSelector("text=Everybody waiting is within the target.");
  assert.equal(await page.locator("[aria-label=Alarms] li").count(), 0);
  // Time alone makes it late.
  waits(19);
  await until(async () => (await said()).join() === "Somebody has waited longer than the target", "late");
  // Nobody is free, and no phone rings for them.
  mock.change({ agents: { set: mock.board.agents.map((agent) => ({ ...agent, state: "talking" })) } });
  waits(2);
  await until(async () => (await said()).join() === "Somebody is waiting, and no advocate is free to answer", "alone");
  waits(2, { ringing: ["advocate-3"] });
  await page.waitForSelector("text=Everybody waiting is within the target.");
}));

test("a call is taken and made urgent from its dialog, which gives the focus back", board(async (page, mock) => {
  await rows(page).nth(1).locator("a").focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  await page.waitForSelector("dialog li");
  await page.click("dialog >> text=Take the call");
  await until(() => mock.asked.some((one) => /POST .*\/take$/.test(one.what)), "taken");
  await page.click("dialog >> text=Make it urgent");
  await until(() => mock.asked.some((one) => /POST .*\/escalate$/.test(one.what)), "escalated");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  assert.match(page.url(), /#\/board$/);
  assert.ok(await rows(page).nth(1).locator("a").evaluate((link) => link === document.activeElement), "it has the focus");
}));

test("the dialog of a call says how each leg is protected", board(async (page, mock) => {
  const talk = mock.board.calls.find((call) => call.stage === "talking");
  await page.goto(`${mock.base}/#/board/call/${talk.id}`);
  const protection = page.locator("dialog tbody tr td:nth-child(3)");
  await until(async () => (await protection.count()) === 2, "both legs");
  assert.deepEqual(await protection.allTextContents(), ["not encrypted", "AES_CM_128_HMAC_SHA1_80"]);
}));

test("when something happened in a call is no length, in French either", board(async (page, mock) => {
  await page.goto(`${mock.base}/#/board/call/c0000000000000007`);
  const first = page.locator("dialog li").first();
  assert.equal(await first.locator(".soft").first().textContent(), new Date(mock.callEvents[0].at).toTimeString().slice(0, 8));
}, { language: "fr" }));

test("an advocate's state is changed", board(async (page, mock) => {
  await page.goto(`${mock.base}/#/board/agent/advocate-3`);
  await page.click("dialog >> text=Set ready");
  await until(() => sent(mock, "PUT /api/v1/agents/advocate-3/state")?.state === "end_wrap_up", "changed");
}));

for (const language of ["en", "fr"]) {
  test(`queue and service need no sideways scrolling on a telephone (${language})`, board(async (page) => {
    const wide = await page.evaluate(() => [...document.querySelectorAll("[aria-labelledby=queue] *, [aria-labelledby=service] *")].filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline" && !one.closest(".aside")).map((one) => one.outerHTML.slice(0, 80)));
    assert.deepEqual(wide, []);
    assert.equal(await page.locator("[aria-labelledby=service] thead th").count(), 5, "languages go across");
    assert.match(await page.textContent("[aria-labelledby=service]"), language === "en" ? /below target.*above target/s : /sous la cible.*hors cible/s);
  }, { size: "phone", language }));
}

for (const language of ["en", "fr"]) {
  test(`on a telephone a call's row is as high as what it says (${language})`, board(async (page, mock) => {
    const mode = { silent: true, discreet: true, sound: "full" };
    const much = { mode, media_flowing: false, interpreter_needed: true, tty: true, attention: "paged", ringing: ["advocate-3"] };
    mock.change({ calls: { set: [line.call(50, "fr", "urgent", "waiting", Date.now() - 1_000_000, much)] } });
    await until(async () => /ATS|TTY/.test(await rows(page).first().textContent()), "it comes");
    const heights = await rows(page).evaluateAll((all) => all.map((row) => {
      const boxes = [...row.querySelectorAll("[role=cell]")].filter((cell) => cell.textContent).map((cell) => cell.getBoundingClientRect());
      const [top, bottom] = [Math.min(...boxes.map((box) => box.top)), Math.max(...boxes.map((box) => box.bottom))];
      return { row: row.clientHeight, said: bottom - top, what: row.textContent };
    }));
    for (const { row, said, what } of heights) assert.ok(row >= said && row - said < 45, `${row} px for ${said}: ${what}`);
    assert.ok(heights[0].row > heights[2].row + 60, JSON.stringify(heights));
    // The last row is reached, whatever the heights before it.
    await page.locator("[aria-labelledby=calls] .window").evaluate((one) => (one.scrollTop = one.scrollHeight));
    const all = await page.locator("[aria-labelledby=calls] [role=table]").getAttribute("aria-rowcount");
    await until(async () => (await rows(page).last().getAttribute("aria-rowindex")) === all, "the last row");
  }, { size: "phone", language }));
}

test("a week fits a telephone, hour by hour", on.as(["supervisor"], "#/coverage", async (page) => {
  await page.waitForSelector(".week");
  assert.equal(await page.locator(".week tbody tr").count(), 24);
  assert.equal(await page.locator(".week").evaluate((table) => table.scrollWidth <= table.parentElement.clientWidth), true);
  assert.match(await page.locator(".week tbody tr").nth(3).locator("td").first().textContent(), /no French/);
}, { size: "phone" }));

test("targets are the server's", board(async (page, mock) => {
  const gone = mock.board.calls.map((call) => call.id);
  const service = mock.board.service.map((one) => ({ ...one, target_ms: 60_000, target_percent: 50, target_mean_ms: 90_000 }));
  mock.change({ service, alarms: [], calls: { gone, set: [line.call(50, "fr", "standard", "waiting", Date.now() - 40_000, {})] } });
  await page.waitForSelector("text=Target: 50% answered within 60 s, mean wait 90 s or less");
  assert.doesNotMatch(await page.textContent("[aria-labelledby=service]"), /below target|above target/);
  await page.waitForSelector("text=Everybody waiting is within the target.");
}));

test("figures that are old say so, and their return is noticed", board(async (page, mock) => {
  await settled(page);
  mock.crash();
  await page.waitForSelector("text=Not live");
  mock.up();
  await page.waitForSelector("text=Not live", { state: "detached" });
}, { expects: [AWAY] }));

/** Counts what a page has heard of the server's being alive. */
const LISTENS = `window.alive = 0;
  window.EventSource = class extends EventSource {
    constructor(path) {
      super(path);
      this.addEventListener("alive", () => (window.alive += 1));
    }
  };`;

test("figures of a network that lets nothing through are old, though nothing closed", board(async (page, mock) => {
  await settled(page);
  mock.mute = true;
  await page.clock.runFor(40_000);
  await page.waitForSelector("text=Not live");
  mock.mute = false;
  await page.clock.runFor(20_000);
  await page.waitForSelector("text=Not live", { state: "detached" });
  // Nothing happens, and the server says that it lives: that is live.
  for (let n = 1; n <= 5; n += 1) {
    mock.send("board", "alive", 1);
    await until(() => page.evaluate((n) => window.alive === n, n), "heard");
    await page.clock.runFor(15_000);
    assert.equal(await page.locator("text=Not live").count(), 0);
  }
}, { clock: true, script: `${FAKE_LINE};${LISTENS}` }));

test("an alarm that comes back is news again", board(async (page, mock) => {
  const trunk = { kind: "trunk_down", since: Date.now(), call: null, agent: null, trunk: "east", language: null, ends: null };
  const spoken = () => page.textContent("[role=alert]");
  mock.change({ alarms: [trunk] });
  await until(async () => (await spoken()) === "A trunk is down (east)", "spoken");
  mock.change({ alarms: [] });
  await until(async () => (await spoken()) === "", "over");
  mock.change({ alarms: [trunk] });
  await until(async () => (await spoken()) === "A trunk is down (east)", "spoken again");
}));

test("what could not be read is said, and is not shown as nothing", on.as(["supervisor"], "#/board/call/c0000000000000007", async (page) => {
  await page.waitForSelector("dialog >> text=Something failed on our side");
  assert.equal(await page.locator("dialog >> text=Nothing is known any more").count(), 0);
  await page.keyboard.press("Escape");
  await page.waitForSelector("[aria-labelledby=today] >> text=Something failed on our side");
}, { set: (mock) => (mock.broken = ["/calls/", "/today"]), expects: ["500 /api/v1/calls/c0000000000000007/events", "500 /api/v1/today"] }));

test("a day without calls says so, unless somebody calls now", board(async (page, mock) => {
  const none = page.locator("text=No call in the last 24 hours.");
  await page.waitForSelector(".plots canvas");
  assert.equal(await none.count(), 0);
  mock.change({ calls: { gone: mock.board.calls.map((call) => call.id) } });
  await none.waitFor();
}, { set: (mock) => (mock.today = { ...mock.today, buckets: mock.today.buckets.map((bucket) => ({ ...bucket, offered: 0 })) }) }));

test("curves that do not load are said to be missing", on.as(["supervisor"], "#/coverage", async (page) => {
  await page.waitForSelector(".week");
  await page.route("**/app/Today*", (route) => route.abort());
  await page.evaluate(() => (location.hash = "#/board"));
  await page.waitForSelector("[aria-labelledby=today] >> text=Reload it");
}, { expects: [/^net::ERR_FAILED \/app\/Today/] }));

test("a filter whose last advocate moves on can be taken back", board(async (page, mock) => {
  const filter = page.locator(".filter button", { hasText: "Phone rings" });
  await filter.click();
  mock.change({ agents: { set: mock.board.agents.filter((agent) => agent.state === "offered").map((agent) => ({ ...agent, state: "talking" })) } });
  await page.waitForSelector("text=Nobody here is like that now.");
  await filter.click();
  await until(async () => (await page.locator("[aria-labelledby=team] .one").count()) > 3, "everybody again");
}));

test("five hundred advocates and two hundred callers are a few dozen rows", board(async (page, mock) => {
  mock.setBoard(line.large(500, 200));
  await page.waitForSelector("text=Calls (200)");
  assert.ok((await page.locator(".one").count()) < 80);
  await page.locator("[aria-labelledby=team] .window").evaluate((window) => (window.scrollTop = window.scrollHeight));
  await page.waitForSelector('[aria-labelledby=team] [aria-rowindex="501"]');
}));

test("the wall shows figures and nothing to press", on.as(["supervisor"], "#/wall", async (page) => {
  await page.waitForSelector("dl");
  assert.equal(await page.locator("button:visible, select:visible, input:visible").count(), 0);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".figures");
}));

test("the roster is changed and saved", on.as(["supervisor"], "#/coverage", async (page, mock) => {
  await page.waitForSelector(".week");
  assert.match(await page.textContent("main"), /70 hours lack somebody/);
  await page.click("text=Add a shift");
  await page.locator("select[aria-label=Day]").last().selectOption({ label: "Sunday" });
  // What is changed while it is saved stays, and is saved next.
  await page.route("**/api/v1/roster", async (route) => {
    if (route.request().method() === "PUT") await page.locator("input.time").last().fill("25:00");
    await route.continue();
  });
  await page.click("text=Save");
  await page.locator("main button.main:enabled").waitFor();
  assert.equal(sent(mock, "PUT /api/v1/roster").shifts.length, 4);
  assert.equal(sent(mock, "PUT /api/v1/roster").shifts[3].day, 6);
  assert.equal(await page.locator("input.time").last().inputValue(), "25:00");
  // What is wrong is said beside the button, and a removed row leaves the focus on the page.
  await page.click("text=Save");
  await page.waitForSelector("[aria-labelledby=roster] [role=alert] >> text=Write times as 08:00");
  await page.getByRole("button", { name: /^Remove the shift of .*, Sunday at/ }).click();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Add a shift");
}));
