// Every page in every state that matters: accessible in both colours and at both widths, all French in French, nothing from
// elsewhere, nothing inline, no error.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as line from "../mock/line.mjs";
import { Mock } from "../mock/server.mjs";
import { drawn, inspect, launch, open, resize, SHOTS } from "./browser.mjs";
import { texts } from "./catalogue.mjs";
import { enter, SCENES } from "./scenes.mjs";
import { FAKE_LINE } from "./sip.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** English texts that are not French too, as patterns. */
const ENGLISH = Object.values(texts)
  .filter(([en, fr]) => en !== fr && en.replace(/\{\d\}/g, "").length > 3)
  .map(([en]) => new RegExp(`^${en.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{\d\}/g, ".+")}$`));

for (const scene of SCENES) {
  test(scene.name, async () => {
    const mock = new Mock();
    Object.assign(mock, line.busy());
    await mock.listen();
    scene.set?.(mock);
    const page = await open(browser, mock.base, { language: "fr", size: "phone", hash: scene.hash, script: FAKE_LINE, expects: scene.expects });
    await enter(scene, page, mock);
    const found = [];
    const look = async (name) => {
      await page.screenshot({ path: `${SHOTS}${scene.name}-${name}.png`, fullPage: true });
      found.push(...(await inspect(page)).map((what) => `${name}: ${what}`));
    };
    await look("phone-light");
    const said = await page.evaluate(() => {
      const attributes = [...document.querySelectorAll("[aria-label], [placeholder], [title]")].flatMap((element) => ["aria-label", "placeholder", "title"].map((name) => element.getAttribute(name)));
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const nodes = [];
      while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("[lang^=en], [translate=no], script")) nodes.push(walker.currentNode.textContent);
      return [...nodes, ...attributes].map((text) => text?.trim()).filter(Boolean);
    });
    for (const text of said) if (ENGLISH.some((pattern) => pattern.test(text))) found.push(`English: ${text}`);
    await page.emulateMedia({ colorScheme: "dark" });
    await resize(page, "desk");
    await look("desk-dark");
    await page.emulateMedia({ colorScheme: "light" });
    await drawn(page);
    await look("desk-light");
    found.push(...(await page.done()));
    mock.close();
    assert.deepEqual(found, []);
  });
}
