// Whether a caller would reach this desk now: every link of the chain, or the first that is missing.

import type { Link } from "../lib/live.svelte";
import type { Access } from "./microphone.svelte";

export type Wire = "off" | "connecting" | "open";

export interface Chain {
  /** The desk's stream. */
  link: Link;
  /** The phone's WebSocket. */
  wire: Wire;
  registered: boolean;
  /** The server says that it has a binding of this browser. */
  seen: boolean;
  /** Nothing was ever heard of this browser in a talk: the server offers it no call. */
  unheard: boolean;
  /** Other phones of this account that the server would ring. */
  phones: number;
  access: Access;
  /** Another tab is the phone. */
  elsewhere: boolean;
}

export type Missing =
  | "starting"
  | "elsewhere"
  | "insecure"
  | "microphone_refused"
  | "microphone_missing"
  | "microphone_busy"
  | "microphone_ask"
  | "server"
  | "wire"
  | "register"
  | "seen"
  | "unheard";

/** What keeps callers from this desk; null when nothing does. */
export function missing(chain: Chain): Missing | null {
  if (chain.elsewhere) return "elsewhere";
  switch (chain.access) {
    case "insecure":
      return "insecure";
    case "refused":
      return "microphone_refused";
    case "missing":
      return "microphone_missing";
    case "busy":
      return "microphone_busy";
    case "ask":
      return "microphone_ask";
    case "unknown":
      return "starting";
    case "granted":
  }
  if (chain.link !== "live") return "server";
  if (chain.wire !== "open") return "wire";
  if (!chain.registered) return "register";
  if (!chain.seen) return "seen";
  return chain.unheard ? "unheard" : null;
}
