// Every page in the states that matter: what the checks walk through.

import { offered, talking, commanded } from "../mock/line.mjs";
import { AWAY, UNKNOWN } from "./browser.mjs";

const as = (...roles) => (mock) => mock.signIn(roles, roles[0] === "supervisor" ? "supervisor" : roles[0] === "advocate" ? "advocate-bi" : roles[0]);
const now = () => Date.now();

export const SCENES = [
  { name: "sign-in", expects: [UNKNOWN] },
  { name: "sign-in-sso", set: (mock) => (mock.offer = { password: true, oidc: { name: "Azure", sign_out: null }, setup: true, demo: false }), expects: [UNKNOWN] },
  { name: "sign-in-down", set: (mock) => (mock.offer = { password: true, oidc: { name: "Azure", sign_out: null }, setup: false, demo: false }), hash: "#/sign-in/oidc_down", expects: [UNKNOWN] },
  { name: "setup", hash: "#/setup/good-token", expects: [UNKNOWN] },
  { name: "desk-ready", set: as("advocate"), hash: "#/desk" },
  { name: "desk-out", set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "not_ready", reason: "signed_in", since: now(), until: null } })), hash: "#/desk" },
  { name: "desk-no-answer", set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "not_ready", reason: "no_answer", since: now() - 240_000, until: null } })), hash: "#/desk" },
  { name: "desk-hard", set: (mock) => (as("advocate")(mock), mock.setDesk(commanded("hard_call"))), hash: "#/desk" },
  { name: "desk-wrap-up", set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "wrap_up", reason: null, since: now() - 70_000, until: null }, wrap_up_of: { call: "c1", language: "fr", risk: "urgent", ended: now() } })), hash: "#/desk" },
  { name: "desk-offer", set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "offered", reason: null, since: now(), until: null }, offer: offered() })), hash: "#/desk" },
  { name: "desk-offer-silent", set: (mock) => (as("advocate")(mock), mock.setDesk({ offer: offered({ language: "other", risk: "elevated", mode: { silent: true, discreet: true }, interpreter_needed: true }) })), hash: "#/desk" },
  { name: "desk-talk", set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "talking", reason: null, since: now(), until: null } })), hash: "#/desk", act: talk },
  { name: "desk-talk-keypad", set: as("advocate"), hash: "#/desk", act: async (page, mock) => { await talk(page, mock); await page.locator("button[aria-expanded]").first().click(); await page.locator(".talk .controls button").last().click(); } },
  { name: "desk-talk-broken", set: (mock) => (as("advocate")(mock), mock.setDesk({ talk: talking({ reattaching: true, mode: { silent: false, discreet: true }, tty: true, interpreter_needed: true, quality: { mos: null, light: "unknown", one_way: null } }) })), hash: "#/desk" },
  { name: "desk-unreachable", set: (mock) => (as("advocate")(mock), mock.setDesk({ reachable: { browser: false, phones: 0, unheard: false, since: now() } })), hash: "#/desk" },
  { name: "desk-unheard", set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "signed_out", reason: null, since: now(), until: null }, reachable: { browser: true, phones: 0, unheard: true, since: now() } })), hash: "#/desk" },
  { name: "desk-province", set: as("advocate"), hash: "#/desk", act: async (page) => { await page.waitForSelector("#province-id option[value=qc]", { state: "attached" }); await page.selectOption("#province-id", "qc"); } },
  { name: "sound", set: as("advocate"), hash: "#/sound" },
  { name: "board", set: as("supervisor"), hash: "#/board", act: async (page) => page.waitForSelector(".plots canvas") },
  { name: "board-calm", set: (mock) => (as("supervisor")(mock), (mock.board = { ...mock.board, calls: [], alarms: [] })), hash: "#/board" },
  { name: "board-call", set: as("supervisor"), hash: "#/board/call/c0000000000000007", act: async (page) => page.waitForSelector("dialog li") },
  { name: "board-agent", set: as("supervisor"), hash: "#/board/agent/advocate-3", act: async (page) => page.waitForSelector("dialog") },
  { name: "board-stale", set: as("supervisor"), hash: "#/board", act: async (page, mock) => { await page.waitForSelector(".figures"); mock.crash(); await page.waitForSelector(".banner"); }, expects: [AWAY] },
  { name: "wall", set: as("supervisor"), hash: "#/wall", looks: [["fr", "dark", "wall"], ["en", "light", "desk"], ["en", "dark", "phone"]] },
  { name: "coverage", set: as("supervisor"), hash: "#/coverage", act: async (page) => page.waitForSelector(".week") },
  { name: "trunks", set: as("operator"), hash: "#/trunks" },
  { name: "dialplan", set: as("operator"), hash: "#/dialplan", act: check },
  { name: "prompts", set: as("operator"), hash: "#/prompts" },
  { name: "accounts", set: as("operator"), hash: "#/accounts" },
  { name: "account-edit", set: as("operator"), hash: "#/accounts", act: async (page) => { await page.locator("table button").first().click(); await page.waitForSelector("dialog"); } },
  { name: "account-saved", set: as("operator"), hash: "#/accounts", act: async (page) => { await page.locator("table button").first().click(); await page.locator("dialog button[type=submit], dialog form button.main").first().click(); await page.waitForSelector("dialog", { state: "detached" }); await page.waitForSelector(".toast"); } },
  { name: "audit", set: as("auditor"), hash: "#/audit" },
  { name: "me", set: as("auditor"), hash: "#/me" },
  { name: "shortcuts", set: as("advocate"), hash: "#/desk", act: async (page) => { await page.waitForSelector(".state"); await page.keyboard.press("?"); await page.waitForSelector("dialog"); } },
];

/** A talk with the caller's keys, answered by the page's own phone. */
export async function talk(page, mock) {
  await page.waitForSelector(".reach.ok");
  mock.setDesk({ offer: offered() });
  await page.evaluate(() => window.fakeLine.invite({ "X-Havre-Call": "c00000000000000aa" }));
  await page.waitForSelector(".offer");
  await page.keyboard.press("a");
  await page.waitForFunction(() => window.fakeLine.answered);
  mock.setDesk({ offer: null, talk: talking() });
  await page.waitForSelector(".talk .controls");
  for (const digit of "2219") {
    mock.key(digit);
    await page.waitForTimeout(20);
  }
  mock.key("1");
  await page.waitForSelector(".last.yes");
}

async function check(page) {
  await page.waitForSelector("#source");
  await page.locator("#source").press("End");
  await page.locator("#source").press("x");
  await page.locator("section[aria-labelledby=edit] .row button").first().click();
  await page.waitForSelector("td.new");
}
