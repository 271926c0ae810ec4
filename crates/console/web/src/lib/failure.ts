// What to tell a person when a request failed.

import { Failure } from "./api";
import { t } from "./i18n.svelte";

export function told(error: unknown): string {
  if (!(error instanceof Failure)) return t("failure.page");
  switch (error.code) {
    case "no_answer":
      return t("failure.no_answer");
    case "wrong_credentials":
      return t("sign_in.wrong");
    case "slow_down":
      return t("sign_in.slow");
    case "not_allowed":
      return t("failure.not_allowed");
    case "bad_csrf":
    case "bad_origin":
    case "no_session":
      return t("failure.session");
    default:
      return error.status >= 500 ? t("failure.server") : t("failure.refused", error.detail || error.code);
  }
}
