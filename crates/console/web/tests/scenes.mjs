// Every page in the states that matter: what the checks walk through.

import { offered, talking, commanded } from "../mock/line.mjs";
import { AWAY, drawn, UNKNOWN } from "./browser.mjs";

const as = (...roles) => (mock) => mock.signIn(roles, roles[0] === "supervisor" ? "supervisor" : roles[0] === "advocate" ? "advocate-bi" : roles[0]);
const now = () => Date.now();

const SIDE = ["[aria-labelledby=history] li", "#province-id option[value=qc]"];
/** What there is on a page when all that it asked for has come. */
export const SHOWS = {
  desk: [".reach.ok", ...SIDE],
  sound: [".reach.ok", "#input option + option", ...SIDE],
  board: [".figures", ".plots canvas"],
  coverage: [".week"],
  trunks: ["main table"],
  dialplan: ["#source"],
  prompts: ["main section .row"],
  accounts: ["main table"],
  audit: ["main table"],
  me: ["#again"],
};

/** Waits until all of that is there and drawn. */
export async function shown(page, selectors) {
  for (const selector of selectors) await page.waitForSelector(selector, { state: "attached" });
  await drawn(page);
}

/** Brings a fresh page to what the scene shows. */
export async function enter(scene, page, mock) {
  await page.waitForSelector("h1", { state: "attached" });
  await scene.act?.(page, mock);
  await shown(page, scene.shows);
}

export const SCENES = [
  { name: "sign-in", shows: ["#user", "[aria-labelledby=demo]"], expects: [UNKNOWN] },
  { name: "sign-in-sso", shows: ["#user", "a.button"], set: (mock) => (mock.offer = { password: true, oidc: { name: "Azure", sign_out: null }, setup: true, demo: false }), expects: [UNKNOWN] },
  { name: "sign-in-down", shows: ["a.button", ".banner"], set: (mock) => (mock.offer = { password: true, oidc: { name: "Azure", sign_out: null }, setup: false, demo: false }), hash: "#/sign-in/oidc_down", expects: [UNKNOWN] },
  { name: "setup", shows: ["#again"], hash: "#/setup/good-token", expects: [UNKNOWN] },
  { name: "desk-ready", shows: [...SHOWS.desk, ".state.ready"], set: as("advocate"), hash: "#/desk" },
  { name: "desk-out", shows: [...SHOWS.desk, ".state.not_ready"], set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "not_ready", reason: "signed_in", since: now(), until: null } })), hash: "#/desk" },
  { name: "desk-no-answer", shows: [...SHOWS.desk, ".state.not_ready"], set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "not_ready", reason: "no_answer", since: now() - 240_000, until: null } })), hash: "#/desk" },
  { name: "desk-hard", shows: [...SHOWS.desk, ".state.not_ready"], set: (mock) => (as("advocate")(mock), mock.setDesk(commanded("hard_call"))), hash: "#/desk" },
  { name: "desk-wrap-up", shows: [...SHOWS.desk, ".state.wrap_up"], set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "wrap_up", reason: null, since: now() - 70_000, until: null }, wrap_up_of: { call: "c1", language: "fr", risk: "urgent", ended: now() } })), hash: "#/desk" },
  { name: "desk-offer", shows: [...SHOWS.desk, ".offer .facts"], set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "offered", reason: null, since: now(), until: null }, offer: offered() })), hash: "#/desk" },
  { name: "desk-offer-silent", shows: [...SHOWS.desk, ".offer .strong"], set: (mock) => (as("advocate")(mock), mock.setDesk({ offer: offered({ language: "other", risk: "elevated", mode: { silent: true, discreet: true }, interpreter_needed: true }) })), hash: "#/desk" },
  { name: "desk-talk", shows: [...SHOWS.desk, ".talk .controls"], set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "talking", reason: null, since: now(), until: null } })), hash: "#/desk", act: talk },
  { name: "desk-talk-keypad", shows: [...SHOWS.desk, ".talk .pad", ".talk .danger"], set: as("advocate"), hash: "#/desk", act: async (page, mock) => { await talk(page, mock); await page.locator("button[aria-expanded]").first().click(); await page.locator(".talk .controls button").last().click(); } },
  { name: "desk-talk-broken", shows: [...SHOWS.desk, ".talk .banner.warn"], set: (mock) => (as("advocate")(mock), mock.setDesk({ talk: talking({ reattaching: true, mode: { silent: false, discreet: true }, tty: true, interpreter_needed: true, quality: { mos: null, light: "unknown", one_way: null } }) })), hash: "#/desk" },
  { name: "desk-unreachable", shows: [...SIDE, ".reach.settling .do", ".state.unreached"], set: (mock) => (as("advocate")(mock), mock.setDesk({ reachable: { browser: false, phones: 0, unheard: false, since: now() } })), hash: "#/desk" },
  { name: "desk-unheard", shows: [...SIDE, ".reach .do"], set: (mock) => (as("advocate")(mock), mock.setDesk({ state: { name: "signed_out", reason: null, since: now(), until: null }, reachable: { browser: true, phones: 0, unheard: true, since: now() } })), hash: "#/desk" },
  { name: "desk-province", shows: [...SHOWS.desk, "[aria-labelledby=province] .banner"], set: as("advocate"), hash: "#/desk", act: (page) => page.selectOption("#province-id", "qc") },
  { name: "sound", shows: SHOWS.sound, set: as("advocate"), hash: "#/sound" },
  { name: "board", shows: SHOWS.board, set: as("supervisor"), hash: "#/board" },
  { name: "board-calm", shows: [...SHOWS.board, ".calm"], set: (mock) => (as("supervisor")(mock), (mock.board = { ...mock.board, calls: [], alarms: [] })), hash: "#/board" },
  { name: "board-call", shows: [...SHOWS.board, "dialog li"], set: as("supervisor"), hash: "#/board/call/c0000000000000007" },
  { name: "board-agent", shows: [...SHOWS.board, "dialog .chip"], set: as("supervisor"), hash: "#/board/agent/advocate-3" },
  { name: "board-stale", shows: [...SHOWS.board, ".banner"], set: as("supervisor"), hash: "#/board", act: async (page, mock) => { await settled(page); mock.crash(); }, expects: [AWAY] },
  { name: "wall", shows: ["dl", "main table"], set: as("supervisor"), hash: "#/wall", looks: [["fr", "dark", "wall"], ["en", "light", "desk"], ["en", "dark", "phone"]] },
  { name: "coverage", shows: SHOWS.coverage, set: as("supervisor"), hash: "#/coverage" },
  { name: "trunks", shows: SHOWS.trunks, set: as("operator"), hash: "#/trunks" },
  { name: "dialplan", shows: [...SHOWS.dialplan, "td.new"], set: as("operator"), hash: "#/dialplan", act: check },
  { name: "prompts", shows: SHOWS.prompts, set: as("operator"), hash: "#/prompts" },
  { name: "accounts", shows: SHOWS.accounts, set: as("operator"), hash: "#/accounts" },
  { name: "account-edit", shows: [...SHOWS.accounts, "dialog form"], set: as("operator"), hash: "#/accounts", act: async (page) => { await page.locator("table button").first().click(); } },
  { name: "account-saved", shows: [...SHOWS.accounts, ".toast"], set: as("operator"), hash: "#/accounts", act: async (page) => { await page.locator("table button").first().click(); await page.locator("dialog button[type=submit], dialog form button.main").first().click(); await page.waitForSelector("dialog", { state: "detached" }); } },
  { name: "audit", shows: SHOWS.audit, set: as("auditor"), hash: "#/audit" },
  { name: "me", shows: SHOWS.me, set: as("auditor"), hash: "#/me" },
  { name: "shortcuts", shows: [...SHOWS.desk, "dialog dl"], set: as("advocate"), hash: "#/desk", act: async (page) => { await page.waitForSelector(".state"); await page.keyboard.press("?"); } },
];

/** Nothing of a board is on its way any more, and its phone is registered. */
export async function settled(page) {
  await shown(page, SHOWS.board);
  await page.waitForFunction(() => window.fakeLine.registered > 0);
}

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
  for (const digit of "22191") mock.key(digit);
  await page.locator(".talk ol li").nth(3).waitFor();
}

async function check(page) {
  await page.locator("#source").press("End");
  await page.locator("#source").press("x");
  await page.locator("section[aria-labelledby=edit] .row button").first().click();
}
