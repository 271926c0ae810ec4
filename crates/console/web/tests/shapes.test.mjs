// The mock says what the server says: its values have the fields of the shapes that the Rust tests write, no more and no
// fewer.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as line from "../mock/line.mjs";

const shape = (name) => JSON.parse(readFileSync(new URL(`../../tests/shapes/${name}.json`, import.meta.url), "utf8"));

/** Paths of all fields; of lists, those of the first entry; nothing below what is null on either side. */
function fields(value, other, path = "") {
  if (Array.isArray(value)) return value.length && Array.isArray(other) && other.length ? fields(value[0], other[0], `${path}[]`) : [path];
  if (value === null || other === null || typeof value !== "object" || typeof other !== "object") return [path];
  return Object.keys(value).flatMap((key) => fields(value[key], key in other ? other[key] : null, `${path}.${key}`)).sort();
}

const calm = line.calm();
const desk = calm.desk;
const talk = line.call(1, "fr", "urgent", "talking", 0, { agent: "a" });
for (const [name, value] of Object.entries({
  "desk-ready": desk,
  "desk-offered": { ...desk, offer: { ...line.offered(), mode: { ...line.offered().mode, sound: "full" } } },
  "desk-talking": { ...desk, talk: { ...line.talking(), mode: { ...line.talking().mode, sound: "full" } } },
  "desk-wrap-up": { ...desk, wrap_up_of: { call: "c", language: "fr", risk: "urgent", ended: 0 } },
  key: { call: "c", digit: "1", at: 0 },
  history: { calls: calm.history },
  today: calm.today,
  coverage: calm.coverage,
  roster: calm.roster,
  trunks: { trunks: calm.trunks },
  prompts: { prompts: calm.prompts },
  dialplan: calm.dialplan,
  "dialplan-check": line.checked(""),
  "dialplan-check-bad": line.checked("broken"),
  board: line.board([talk], line.agents(1), [{ kind: "one_way", since: 0, call: null, agent: null, trunk: null, language: null, ends: null }]),
})) {
  test(name, () => assert.deepEqual(fields(value, shape(name)), fields(shape(name), value)));
}
