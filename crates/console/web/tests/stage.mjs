// What every test begins with: a mock line, a page on it, and an end that fails on faults.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import * as line from "../mock/line.mjs";
import { Mock } from "../mock/server.mjs";
import { launch, open, UNKNOWN } from "./browser.mjs";
import { FAKE_LINE } from "./sip.mjs";

export function stage() {
  const held = {};
  before(async () => (held.browser = await launch()));
  after(() => held.browser.close());

  /** Runs `act` on a fresh page for somebody with these roles; nobody is signed in when there are none. */
  held.as = (roles, hash, act, { set, expects = [], ...options } = {}) => async () => {
    const mock = new Mock();
    Object.assign(mock, line.busy());
    await mock.listen();
    if (roles.length) mock.signIn(roles, roles[0] === "advocate" ? "advocate-bi" : roles[0]);
    set?.(mock);
    const page = await open(held.browser, mock.base, { hash, script: FAKE_LINE, expects: roles.length ? expects : [UNKNOWN, ...expects], ...options });
    try {
      await act(page, mock);
      assert.deepEqual(page.faults(), []);
    } finally {
      await page.context().close();
      mock.close();
    }
  };
  return held;
}

/** Waits until `check` holds, asking often, and once more when the time is over: the machine may have stood still. */
export async function until(check, what, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const late = Date.now() > end;
    const value = await check();
    if (value) return value;
    if (late) assert.fail(`not within ${ms} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** The last body that was sent to `what`. */
export const sent = (mock, what) => mock.asked.findLast((one) => one.what === what)?.body;
