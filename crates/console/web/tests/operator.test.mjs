// The operator's pages, and script in everything that others can name.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as line from "../mock/line.mjs";
import { SCRIPTS } from "./scripts.mjs";
import { sent, stage, until } from "./stage.mjs";

const on = stage();
const operator = (hash, act, options) => on.as(["operator"], hash, act, options);

test("a plan is applied only as it was checked", operator("#/dialplan", async (page, mock) => {
  await page.waitForSelector("#source");
  const apply = page.getByRole("button", { name: "Apply" });
  assert.ok(await apply.isDisabled());
  await page.fill("#source", "new = true\n");
  assert.ok(await apply.isDisabled());
  await page.getByRole("button", { name: "Check" }).click();
  await page.waitForSelector("text=joins after 12 s");
  assert.ok(await apply.isEnabled());
  await page.fill("#source", "newer = true\n");
  await page.waitForSelector("text=check again");
  assert.ok(await apply.isDisabled());
  await page.getByRole("button", { name: "Check" }).click();
  await page.waitForSelector("text=joins after 12 s");
  await apply.click();
  await page.waitForSelector("text=New calls take the new flow");
  assert.deepEqual(sent(mock, "PUT /api/v1/dialplan"), { source: "newer = true\n", base_hash: "3f2a" });
}));

test("a plan with faults shows them, and one that changed meanwhile is not overwritten", operator("#/dialplan", async (page, mock) => {
  await page.fill("#source", "broken\n");
  await page.getByRole("button", { name: "Check" }).click();
  await page.waitForSelector("text=This key leads nowhere");
  await page.fill("#source", "fine\n");
  await page.getByRole("button", { name: "Check" }).click();
  await page.waitForSelector("text=joins after 12 s");
  const [first, ...nodes] = mock.dialplan.graph.nodes;
  mock.dialplan = { hash: "other", source: "theirs\n", graph: { ...mock.dialplan.graph, nodes: [{ ...first, label_en: "Their greeting" }, ...nodes] } };
  // The page draws theirs by now, and still does not take what it was told for what the text was written for.
  await page.waitForSelector("svg >> text=Their greeting");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForSelector("text=Somebody else changed the flow");
  assert.equal(await page.inputValue("#source"), "fine\n");
}, { expects: ["409 /api/v1/dialplan"] }));

test("what is typed while a plan is applied stays, and can be applied to it", operator("#/dialplan", async (page, mock) => {
  const [check, apply] = ["Check", "Apply"].map((name) => page.getByRole("button", { name }));
  await page.route("**/api/v1/dialplan", async (route) => {
    if (route.request().method() === "PUT") await page.fill("#source", "newer = true\n");
    await route.continue();
  });
  await page.fill("#source", "new = true\n");
  await check.click();
  await page.waitForSelector("text=joins after 12 s");
  await apply.click();
  await page.waitForSelector("text=New calls take the new flow");
  await check.click();
  await page.waitForSelector("text=joins after 12 s");
  await apply.click();
  await until(() => sent(mock, "PUT /api/v1/dialplan").source === "newer = true\n", "applied");
  assert.equal(mock.dialplan.source, "newer = true\n");
  assert.equal(await page.inputValue("#source"), "newer = true\n");
}));

test("on a telephone the plan is read without scrolling sideways, and its drawing by keyboard", operator("#/dialplan", async (page) => {
  await page.waitForSelector("details[open] table");
  assert.equal(await page.locator("details table").evaluate((table) => table.scrollWidth <= table.closest(".scroll").clientWidth), true);
  assert.deepEqual((await page.locator("details tbody tr").first().innerText()).split("\n"), ["Accueil", "Touche 1", "→ Entrer dans la file, anglais", "22 appels"]);
  const drawing = page.getByRole("group", { name: "Le parcours des appels" });
  await drawing.focus();
  const before = await drawing.evaluate((one) => one.scrollLeft);
  await page.keyboard.press("ArrowRight");
  await until(async () => (await drawing.evaluate((one) => one.scrollLeft)) > before, "it scrolls");
}, { size: "phone", language: "fr" }));

test("a difference of a hundred ways is read in six, and in all when asked for", operator("#/dialplan", async (page) => {
  await page.fill("#source", "many\n");
  await page.getByRole("button", { name: "Check" }).click();
  const ways = page.locator("[role=status] tbody tr");
  await until(async () => (await ways.count()) === 6, "six");
  assert.match(await ways.first().innerText(), /hears P1; hears P2; hears P3\s+2 more steps\s+hears P2; hears P3; hears P4\s+1 more step\s*$/);
  await ways.first().locator("summary").first().click();
  await page.waitForSelector("text=hears P4; hears P5");
  await page.getByRole("button", { name: "Show all 100 ways" }).click();
  await until(async () => (await ways.count()) === 100, "all");
}));

test("faults and differences are told in the language of the page", operator("#/dialplan", async (page) => {
  await page.fill("#source", "broken\n");
  await page.getByRole("button", { name: "Vérifier" }).click();
  await page.waitForSelector("text=Cette touche ne mène nulle part. Nommez un menu qui existe.");
  assert.equal(await page.locator("[role=status] li").getAttribute("lang"), "fr-CA");
  await page.fill("#source", "fine\n");
  await page.getByRole("button", { name: "Vérifier" }).click();
  await page.waitForSelector("text=entend P1; entre après 12 s");
  assert.match(await page.locator("[role=status] tbody th").first().textContent(), /aucune touche/);
  assert.equal(await page.locator("text=joins after").count(), 0);
}, { language: "fr" }));

test("messages play, and a bad recording is refused with its reasons", operator("#/prompts", async (page, mock) => {
  await page.getByRole("button", { name: "Play P1, English" }).click();
  await until(() => mock.asked.some((one) => one.what === "GET /api/v1/prompts/P1/en.wav"), "played");
  const files = page.locator("input[type=file]");
  await files.first().setInputFiles({ name: "p1.wav", mimeType: "audio/wav", buffer: Buffer.from("RIFF") });
  await page.waitForSelector("text=the old recording stays");
  await page.waitForSelector("text=It is empty");
  await files.first().setInputFiles({ name: "p1.wav", mimeType: "audio/wav", buffer: line.beep() });
  await page.waitForSelector("text=P1 is replaced");
}, { expects: ["422 /api/v1/prompts/P1/en"] }));

for (const [language, known, words, one] of [["en", ["4 of 4 messages", "2 of 4 messages", "1 of 4 messages", "0 of 4 messages"], "LINE  you're", "to correct"], ["fr", ["4 messages sur 4", "2 messages sur 4", "1 message sur 4", "0 message sur 4"], "toujours etes", "à corriger"]]) {
  test(`messages are found by name, by words, and by what is wrong with them, by keyboard (${language})`, operator("#/prompts", async (page) => {
    const names = () => page.locator("main h2").allTextContents();
    const shows = async (count, expected) => {
      await page.getByRole("search").getByRole("status").filter({ hasText: count }).waitFor();
      assert.deepEqual(await names(), expected);
    };
    await shows(known[0], ["P1", "P2", "P3", "P6"]);
    await page.getByRole("searchbox").focus();
    await page.keyboard.type(words);
    await shows(known[1], ["P2", "P6"]);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    assert.ok(await page.getByRole("checkbox", { name: `${one} (1)` }).isChecked());
    await shows(known[2], ["P2"]);
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("p3");
    await shows(known[3], []);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await shows(known[2], ["P3"]);
  }, { language }));
}

test("a message that is not found is not heard, and a message that is put right gives the focus to the search", operator("#/prompts", async (page, mock) => {
  await page.getByRole("button", { name: "Play P2, French" }).click();
  await page.getByRole("button", { name: "Stop P2, French" }).waitFor();
  await page.fill("#find", "p1");
  await page.fill("#find", "");
  await page.getByRole("button", { name: "Play P2, French" }).waitFor();
  await page.getByRole("checkbox").check();
  const file = page.locator("input[type=file]").first();
  await file.focus();
  mock.prompts = mock.prompts.map((prompt) => ({ ...prompt, languages: { ...prompt.languages, fr: { ...prompt.languages.fr, findings: [] } } }));
  await file.setInputFiles({ name: "p2.wav", mimeType: "audio/wav", buffer: line.beep() });
  await page.waitForSelector("text=No message is like that.");
  assert.equal(await page.evaluate(() => document.activeElement.id), "find");
}));

test("accounts are added, changed and removed", operator("#/accounts", async (page, mock) => {
  await page.getByRole("button", { name: "Add an account" }).click();
  await page.fill("#user", "new");
  await page.fill("#name", "New Person");
  await page.getByRole("checkbox", { name: "supervisor" }).check();
  await page.fill("#password", "a long sentence here");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForSelector("text=New Person");
  assert.deepEqual(sent(mock, "POST /api/v1/accounts"), { user: "new", name: "New Person", roles: ["advocate", "supervisor"], agent: null, language: "en", disabled: false, password: "a long sentence here" });
  await page.getByRole("button", { name: "Edit new" }).click();
  await page.getByRole("checkbox", { name: "May not sign in" }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await until(() => sent(mock, "PUT /api/v1/accounts/new")?.disabled === true, "disabled");
  assert.ok(!("password" in sent(mock, "PUT /api/v1/accounts/new")), "an empty password stays");
  await page.getByRole("button", { name: "Edit new" }).click();
  await page.getByRole("button", { name: "Remove the account" }).click();
  // What cannot be undone is asked twice, and the focus stands on the harmless answer.
  await page.waitForSelector("dialog button:focus >> text=No, keep it");
  assert.ok(!mock.asked.some((one) => one.what.startsWith("DELETE")));
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Remove the account" }).click();
  await page.getByRole("button", { name: "Yes, remove it" }).click();
  await until(() => mock.asked.some((one) => one.what === "DELETE /api/v1/accounts/new"), "removed");
}));

for (const size of ["desk", "phone"]) {
  test(`a long name cuts no user name up, and the longest ones widen nothing (${size})`, operator("#/accounts", async (page) => {
    await page.waitForSelector("table");
    const lines = (text) => page.getByRole("cell", { name: text, exact: true }).evaluate((cell) => {
      const text = document.createRange();
      text.selectNodeContents(cell);
      return new Set([...text.getClientRects()].map((box) => box.top)).size;
    });
    assert.equal(await lines("marie-christine.desrochers"), 1);
    assert.equal(await lines("disabled"), 1);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  }, {
    size,
    set: (mock) => mock.accounts.push(
      { ...mock.accounts[0], user: "marie-christine.desrochers", agent: "marie-christine.desrocher", name: "Marie-Christine Vaillancourt-Desrochers, coordination provinciale de l’est et du nord, remplacement" },
      { ...mock.accounts[0], user: "x".repeat(64), name: "L".repeat(80), agent: "y".repeat(64), roles: ["advocate", "supervisor", "operator", "auditor"] },
    ),
  }));
}

test("an account for somebody whom the provider lets in needs no password", operator("#/accounts", async (page, mock) => {
  await page.getByRole("button", { name: "Add an account" }).click();
  await page.waitForSelector("text=signs in with Azure");
  await page.fill("#user", "new");
  await page.fill("#name", "New Person");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForSelector("text=New Person");
  assert.ok(!("password" in sent(mock, "POST /api/v1/accounts")));
}, { set: (mock) => (mock.offer = { ...mock.offer, oidc: { name: "Azure", sign_out: null } }) }));

const innocent = async (page) => {
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal(await page.locator("main :is(script, img, iframe, style, math, a[href^='javascript'])").count(), 0);
};

test("what was done is told in the language of the page", on.as(["auditor"], "#/audit", async (page, mock) => {
  await page.waitForSelector("text=pause");
  // Not "4 h 27 min 12 s", which could be how long it took.
  assert.equal(await page.locator("tbody td:first-child").first().textContent(), new Date(mock.audit[0].at).toTimeString().slice(0, 8));
  assert.deepEqual(await page.locator("tbody td:nth-child(5)").allTextContents(), [
    "pause", "2 quarts", "3f2a… → 9bc1…", "rôles : exploitation, audit; poste de la ligne : aucun; actif",
    "rôles : intervention; poste de la ligne : advocate-fr; désactivé",
  ]);
}, { language: "fr", set: (mock) => (mock.audit = ["break", "2 shifts", "3f2a… → 9bc1…", "roles operator auditor; agent none; disabled false", "roles advocate; agent advocate-fr; disabled true"].map((detail, n) => ({ id: 9 - n, at: Date.now(), user: "supervisor", act: "agent_state", target: "advocate-en", detail }))) }));

test("whoever asks twice for earlier entries gets them once", on.as(["auditor"], "#/audit", async (page, mock) => {
  const lines = page.locator("tbody td:nth-child(5)");
  await until(async () => (await lines.count()) === 100, "a hundred");
  mock.audit = entries(150);
  await page.getByRole("button", { name: "Show earlier entries" }).dblclick();
  await until(async () => (await lines.count()) >= 150, "the others");
  assert.equal(new Set(await lines.allTextContents()).size, await lines.count());
}, { set: (mock) => (mock.audit = entries(100)) }));

const entries = (count) => Array.from({ length: count }, (_, n) => ({ id: 1_000 - n, at: Date.now() - n, user: "ops", act: "dialplan", target: "", detail: `change ${n}` }));

test("a thousand scripts in the audit are a thousand texts", on.as(["auditor"], "#/audit", async (page) => {
  await page.waitForSelector("tbody");
  const said = await page.locator("tbody td:last-child").allTextContents();
  assert.deepEqual(said, SCRIPTS);
  await innocent(page);
}, { set: (mock) => (mock.audit = SCRIPTS.map((script, n) => ({ id: n, at: Date.now(), user: script, act: script, target: script, detail: script }))) }));

test("scripts in names, lines, events and messages are texts", async (t) => {
  const name = SCRIPTS.slice(0, 17).join(" ");
  const set = (mock) => {
    mock.session.name = name;
    mock.board = line.board(
      SCRIPTS.slice(0, 40).map((script, n) => ({ ...line.call(n, script, "urgent", "talking", Date.now(), { agent: script }), id: script })),
      SCRIPTS.slice(0, 40).map((script, n) => ({ ...line.agents(n + 1)[n], id: script, languages: [script], reason: script })),
      [{ kind: SCRIPTS[0], since: Date.now(), call: SCRIPTS[1], agent: SCRIPTS[2], trunk: SCRIPTS[3], language: null, ends: null }],
    );
    mock.callEvents = SCRIPTS.slice(0, 50).map((script) => ({ at: Date.now(), what: script, agent: script, cause: script }));
    mock.trunks = SCRIPTS.slice(0, 50).map((script) => ({ id: script, sources: [script], calls: 0, offered: 0, refused: 0, last_call: null, state: script, why: script }));
    mock.prompts = SCRIPTS.slice(0, 17).map((script) => ({ id: script, texts: { en: script }, languages: { en: { file: script, duration_ms: 1, loudness_lufs: -20, findings: [{ what: script, remedy: script, what_fr: script, remedy_fr: script, key: script }] } } }));
    mock.dialplan.source = name;
    mock.dialplan.graph = { nodes: SCRIPTS.slice(0, 17).map((script) => ({ id: script, kind: script, label_en: script, label_fr: script, here: 1 })), edges: SCRIPTS.slice(0, 16).map((script, n) => ({ from: script, to: SCRIPTS[n + 1], key: script, taken: n })) };
  };
  for (const [hash, role, where] of [["#/board", "supervisor", "[aria-label=Alarms]"], [`#/board/call/${encodeURIComponent(SCRIPTS[1])}`, "supervisor", "dialog ol"], ["#/wall", "supervisor", "[aria-label=Alarms]"], ["#/trunks", "operator", "main table"], ["#/prompts", "operator", "main h2"], ["#/dialplan", "operator", "main table"]]) {
    await t.test(hash.slice(0, 14), on.as([role], hash, async (page) => {
      await until(() => page.evaluate(([where, script]) => document.querySelector(where)?.textContent.includes(script), [where, SCRIPTS[0]]), "they are there");
      await innocent(page);
    }, { set }));
  }
});
