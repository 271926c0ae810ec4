// What to tell a person when a request failed.

import { Failure } from "./api";
import { t, word } from "./i18n.svelte";

export function told(error: unknown): string {
  if (!(error instanceof Failure)) return t("failure.page");
  const said = word("problem", error.code);
  if (said !== error.code) return said;
  return error.status >= 500 ? t("failure.server") : t("failure.refused", error.detail || error.code);
}
