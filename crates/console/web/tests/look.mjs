// Screenshots of every page for a person to look at: `node tests/look.mjs [name…]`.

import { Mock } from "../mock/server.mjs";
import * as line from "../mock/line.mjs";
import { launch, open, SHOTS } from "./browser.mjs";
import { enter, SCENES } from "./scenes.mjs";
import { FAKE_LINE } from "./sip.mjs";

const only = process.argv.slice(2);
const browser = await launch();
for (const scene of SCENES) {
  if (only.length && !only.some((name) => scene.name.includes(name))) continue;
  for (const [language, colorScheme, size] of scene.looks ?? [["en", "light", "desk"], ["fr", "dark", "desk"], ["fr", "light", "phone"]]) {
    const mock = new Mock();
    Object.assign(mock, line.busy());
    await mock.listen();
    scene.set?.(mock);
    const page = await open(browser, mock.base, { language, colorScheme, size, hash: scene.hash, script: FAKE_LINE, expects: scene.expects });
    await enter(scene, page, mock);
    await page.screenshot({ path: `${SHOTS}${scene.name}-${language}-${colorScheme}-${size}.png`, fullPage: scene.name !== "wall" });
    const faults = await page.done();
    if (faults.length) console.log(scene.name, language, faults);
    mock.close();
  }
}
await browser.close();
