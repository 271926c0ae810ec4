// Signing in and out, the first account, sessions that end, pages by role, both languages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AWAY, resize, UNKNOWN } from "./browser.mjs";
import { SHOWS, shown } from "./scenes.mjs";
import { sent, stage, until } from "./stage.mjs";

const on = stage();
const links = (page) => page.locator("nav a").allTextContents();

test("a wrong password is said without a hint, and the right one opens the desk", on.as([], "", async (page, mock) => {
  await page.waitForSelector("#user:focus");
  await page.keyboard.type("advocate-bi");
  await page.keyboard.press("Tab");
  await page.keyboard.type("wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=do not go together");
  await page.fill("#password", "right");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".state");
  assert.deepEqual(sent(mock, "POST /api/v1/session"), { user: "advocate-bi", password: "right" });
  assert.ok(!page.url().includes("right"));
  // A request that is on its way when the session ends would be refused.
  await shown(page, SHOWS.desk);
  await page.click("text=Sign out");
  await page.waitForSelector("#user");
  assert.equal(await page.locator(".state").count(), 0);
}));

const LONG = "Marie-Christine Vaillancourt-Desrochers de la Bruère";

test("the strip above takes one line, and on a telephone one more for the pages at most", async (t) => {
  const lines = (page, what) => page.locator(what).evaluateAll((all) => new Set(all.map((one) => Math.round(one.getBoundingClientRect().top / 10))).size);
  const pages = [["advocate", "#/desk"], ["supervisor", "#/board"], ["operator", "#/trunks"], ["operator", "#/dialplan"], ["auditor", "#/audit"]];
  for (const [role, hash, name] of pages.flatMap((one) => [[...one, "Sam Okafor"], [...one, LONG]])) {
    await t.test(`${hash} ${name}`, on.as([role], hash, async (page) => {
      for (const [other, leave] of [["Français", "Sign out"], ["English", "Fermer la session"]]) {
        await resize(page, "desk");
        await page.getByRole("button", { name: leave }).waitFor();
        const high = async () => (await page.locator("header").boundingBox()).height;
        assert.ok((await high()) < 60, `${leave}: ${await high()} px`);
        await resize(page, "phone");
        assert.equal(await lines(page, ".tools > *"), 1, leave);
        const two = (await page.locator("nav > a").count()) > 1;
        assert.ok((await high()) < (two ? 100 : 64), `${leave}: ${await high()} px`);
        assert.ok((await page.locator(".who").boundingBox()).width >= 60, `${leave}: something of the name is left`);
        if (two) assert.equal(await lines(page, "nav > a"), 1, leave);
        await page.getByRole("button", { name: other }).click();
      }
    }, { set: (mock) => (mock.session.name = name) }));
  }
});

test("on a telephone many pages are a list that opens, by keyboard too, and shuts behind whoever goes", on.as(["operator"], "#/trunks", async (page) => {
  await resize(page, "phone");
  const list = page.locator("nav details");
  await list.locator("summary").waitFor();
  assert.equal(await list.locator("a:visible").count(), 0);
  await list.locator("summary").press("Enter");
  assert.equal(await list.locator("a:visible").count(), 6);
  await page.keyboard.press("Escape");
  assert.equal(await list.locator("a:visible").count(), 0);
  assert.ok(await page.locator("nav summary:focus").count(), "the focus stays");
  const both = (summary) => (summary.click(), summary.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true })));
  await list.locator("summary").evaluate(both);
  assert.equal(await list.locator("a:visible").count(), 0, "it heard Escape before it had told anybody that it is open");
  await page.keyboard.press("Enter");
  await list.locator("a", { hasText: "Messages" }).click();
  await page.getByRole("heading", { level: 1, name: "Messages" }).waitFor();
  assert.equal(await list.locator("a:visible").count(), 0);
  assert.match(await list.locator("summary").textContent(), /Messages/);
  await list.locator("summary").click();
  await page.keyboard.press("Shift+Tab");
  await until(async () => (await list.locator("a:visible").count()) === 0, "it shuts");
}));

test("each role sees its own pages and no others", async (t) => {
  const cases = {
    advocate: ["My desk"],
    supervisor: ["The line now", "My desk", "Coverage"],
    operator: ["The line now", "Trunks", "Call flow", "Messages", "Accounts", "Audit"],
    auditor: ["Audit"],
  };
  for (const [role, pages] of Object.entries(cases)) {
    await t.test(role, on.as([role], "#/accounts", async (page) => {
      await page.waitForSelector("nav a");
      assert.deepEqual(await links(page), pages);
      // Whoever asks for another one's page is shown their own.
      await shown(page, SHOWS[{ advocate: "desk", supervisor: "board", operator: "accounts", auditor: "audit" }[role]]);
      assert.equal(await page.locator("text=Add an account").count() > 0, role === "operator");
    }));
  }
});

test("the set-up link makes the first account and does not stay in the history", on.as([], "#/setup/good-token", async (page, mock) => {
  await page.fill("#user", "operator-1");
  await page.fill("#name", "Sam Okafor");
  await page.fill("#password", "short");
  await page.fill("#again", "short");
  await page.click("text=Create the account");
  await page.waitForSelector("text=needs 10 characters");
  await page.fill("#password", "a long sentence here");
  await page.fill("#again", "a long sentence here");
  await page.click("text=Create the account");
  await page.waitForSelector("text=Add an account");
  assert.deepEqual(sent(mock, "POST /api/v1/setup"), { token: "good-token", user: "operator-1", name: "Sam Okafor", password: "a long sentence here" });
  await page.goBack().catch(() => {});
  assert.ok(!page.url().includes("good-token"));
}));

const provided = (mock) => (mock.offer = { password: true, oidc: { name: "Azure", sign_out: `${mock.base}/bye` }, setup: false, demo: false });

test("a provider that is down is said in both languages, and the password works beside it", on.as([], "#/sign-in/oidc_down", async (page, mock) => {
  await page.waitForSelector("text=The sign-in service does not answer");
  assert.equal(await page.getAttribute("a.button", "href"), "/auth/oidc");
  await page.click("text=Français");
  await page.waitForSelector("text=Le service de connexion ne répond pas");
  await page.fill("#user", "advocate-bi");
  await page.fill("#password", "right");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".state");
  assert.match(page.url(), /#\/desk$/);
  assert.ok(sent(mock, "POST /api/v1/session"));
}, { set: provided }));

test("only words of ours are said for what stands in the address", async (t) => {
  for (const hash of ["#/sign-in/Call%20me%20at%20555", "#/sign-in/oidc_call_me", "#/sign-in/wrong_password", "#/sign-in/%3Cb%3E"]) {
    await t.test(hash, on.as([], hash, async (page) => {
      await page.waitForSelector("#user");
      assert.equal(await page.locator(".banner").count(), 0);
    }, { set: provided }));
  }
});

test("whoever came by the provider is told where they are still signed in, and has no password to change", on.as(["auditor"], "#/me", async (page, mock) => {
  await page.waitForSelector("text=kept by the sign-in service");
  assert.equal(await page.locator("#current").count(), 0);
  await page.click("text=Sign out");
  await page.waitForSelector("text=perhaps still signed in at Azure");
  assert.equal(await page.getAttribute("text=Sign out at Azure too", "href"), `${mock.base}/bye`);
}, { set: (mock) => (provided(mock), (mock.session.password = false)), expects: [UNKNOWN] }));

test("a session that ended asks to sign in again", on.as(["operator"], "#/trunks", async (page, mock) => {
  await page.waitForSelector("table");
  mock.session = null;
  await page.waitForSelector("text=Your session is over");
}, { expects: ["401 /api/v1/trunks"] }));

test("a desk whose session ended asks to sign in again", on.as(["advocate"], "#/desk", async (page, mock) => {
  await page.waitForSelector(".reach.ok");
  mock.session = null;
  mock.crash();
  mock.up();
  await page.waitForSelector("text=Your session is over");
}, { expects: [AWAY, /^401 \/api\/v1\/(session|desk)/] }));

test("an empty field is said in the page's language, and filling it in is enough", on.as([], "", async (page) => {
  const said = () => page.$eval("#user", (field) => field.validationMessage);
  for (const [language, words] of [["English", "Fill in this field."], ["Français", "Remplissez ce champ."]]) {
    if (language === "Français") await page.getByRole("button", { name: language }).click();
    await page.click("main button[type=submit]");
    assert.equal(await said(), words);
    await page.fill("#user", "a");
    assert.equal(await said(), "");
    await page.fill("#user", "");
  }
}));

test("a server that is away is waited for", on.as([], "", async (page, mock) => {
  await page.waitForSelector("#user");
  mock.crash();
  await page.fill("#user", "a");
  await page.fill("#password", "b");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Havre does not answer");
  mock.up();
  await page.fill("#password", "b");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".state");
}, { expects: [AWAY] }));

test("who cannot be signed out is not shown as signed out", on.as(["operator"], "#/me", async (page, mock) => {
  await page.waitForSelector("#again");
  mock.crash();
  await page.click("text=Sign out");
  await page.waitForSelector("text=You are still signed in.");
  assert.equal(await page.locator("#user").count(), 0);
  mock.up();
  await page.click("text=Sign out");
  await page.waitForSelector("#user");
}, { expects: [AWAY, UNKNOWN] }));

test("the language changes everywhere at once and is kept with the account", on.as(["advocate"], "#/desk", async (page, mock) => {
  await page.waitForSelector("text=You are ready");
  await page.click("text=Français");
  await page.waitForSelector("text=Vous êtes disponible");
  assert.equal(await page.getAttribute("html", "lang"), "fr-CA");
  assert.match(await page.locator("section[aria-labelledby=history] li").first().textContent(), /\d{1,2}\u00a0h\u00a0\d\d/);
  await until(() => sent(mock, "PUT /api/v1/session/language")?.language === "fr", "kept");
}));

test("the password is changed with the present one", on.as(["auditor"], "#/me", async (page, mock) => {
  await page.fill("#current", "present");
  await page.fill("#next", "a long sentence here");
  await page.fill("#again", "a long sentence here");
  await page.click("text=Change it");
  await page.waitForSelector("text=Your password is changed");
  assert.deepEqual(sent(mock, "PUT /api/v1/session/password"), { current: "present", new: "a long sentence here" });
}));

test("everything is reached and seen by keyboard alone", async (t) => {
  const walks = { "#/desk": "advocate", "#/sound": "advocate", "#/board": "supervisor", "#/coverage": "supervisor", "#/trunks": "operator", "#/dialplan": "operator", "#/prompts": "operator", "#/accounts": "operator", "#/audit": "auditor", "#/me": "auditor" };
  for (const [hash, role] of Object.entries(walks)) {
    await t.test(hash, on.as([role], hash, async (page) => {
      await shown(page, SHOWS[hash.slice(2)]);
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.id), "main");
      const reachable = await page.evaluate(() => [...document.querySelectorAll("main :is(a[href], button:not(:disabled), input, select, textarea, summary, [tabindex='0'])")].filter((one) => one.checkVisibility() && !one.closest("details:not([open]) > :not(summary)")).length);
      const met = new Set();
      for (let n = 0; n < reachable * 2 + 30; n += 1) {
        await page.keyboard.press("Tab");
        const at = await page.evaluate(() => {
          const one = document.activeElement;
          if (!one.closest("main")) return null;
          one.dataset.met ??= String(Math.random());
          // Where it stands, nothing else does: neither a strip nor a note (WCAG 2.4.11).
          const box = one.getBoundingClientRect();
          const there = document.elementFromPoint(box.x + box.width / 2, Math.min(Math.max(box.y + box.height / 2, 1), innerHeight - 1));
          const hidden = box.width > 1 && there !== null && !one.contains(there) && !there.contains(one);
          const ring = (element) => element && getComputedStyle(element).outlineStyle !== "none";
          // The focus of a hidden file input shows on its label, and a native input's on itself.
          return { id: one.dataset.met, seen: ring(one) || ring(document.querySelector(`label[for="${CSS.escape(one.id || "-")}"]`)), hidden, what: one.outerHTML.slice(0, 90) };
        });
        if (!at) break;
        assert.ok(at.seen, `no visible focus: ${at.what}`);
        assert.ok(!at.hidden, `the focus is covered: ${at.what}`);
        met.add(at.id);
      }
      assert.ok(met.size >= reachable, `${met.size} of ${reachable} reached`);
    }));
  }
});
