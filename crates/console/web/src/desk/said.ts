// What a key of the caller's says.

import { t } from "../lib/i18n.svelte";

export function said(digit: string): string {
  if (digit === "1") return t("yes");
  if (digit === "2") return t("no");
  // Whoever was asked in line to press 5 may do so when somebody has answered already.
  return digit === "5" ? t("key.silent") : t("key.other", digit);
}
