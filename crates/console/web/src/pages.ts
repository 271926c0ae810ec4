// Every page: who may see it, what it is called, and what loads it.

import type { Component } from "svelte";
import type { Role, Session } from "./lib/types";
import type { Key } from "./texts";

export type PageId =
  | "desk"
  | "sound"
  | "board"
  | "wall"
  | "coverage"
  | "trunks"
  | "dialplan"
  | "prompts"
  | "accounts"
  | "audit"
  | "me";

export interface Page {
  id: PageId;
  title: Key;
  roles: Role[];
  /** Only with a phone of one's own. */
  agent?: boolean;
  /** Not in the navigation. */
  hidden?: boolean;
}

const ALL: Page[] = [
  { id: "desk", title: "page.desk", roles: ["advocate", "supervisor"], agent: true },
  { id: "board", title: "page.board", roles: ["supervisor", "operator"] },
  { id: "coverage", title: "page.coverage", roles: ["supervisor"] },
  { id: "trunks", title: "page.trunks", roles: ["operator"] },
  { id: "dialplan", title: "page.dialplan", roles: ["operator"] },
  { id: "prompts", title: "page.prompts", roles: ["operator"] },
  { id: "accounts", title: "page.accounts", roles: ["operator"] },
  { id: "audit", title: "page.audit", roles: ["operator", "auditor"] },
  { id: "wall", title: "page.wall", roles: ["supervisor", "operator"], hidden: true },
  { id: "sound", title: "page.sound", roles: ["advocate", "supervisor"], agent: true, hidden: true },
  { id: "me", title: "page.me", roles: ["advocate", "supervisor", "operator", "auditor"], hidden: true },
];

/** The pages of one person, the one to start with first. */
export function pagesOf(session: Session): Page[] {
  const mine = ALL.filter((page) => page.roles.some((role) => session.roles.includes(role)) && (!page.agent || session.agent));
  // A supervisor watches first and answers when needed.
  const first = session.roles.includes("supervisor") ? "board" : "desk";
  return mine.sort((a, b) => Number(b.id === first) - Number(a.id === first));
}

type Load = () => Promise<{ default: Component }>;

export const PAGES: Record<PageId, Load> = {
  desk: () => import("./desk/DeskPage.svelte"),
  sound: () => import("./desk/DeskPage.svelte"),
  board: () => import("./board/BoardPage.svelte"),
  wall: () => import("./board/Wall.svelte"),
  coverage: () => import("./board/Coverage.svelte"),
  trunks: () => import("./operator/Trunks.svelte"),
  dialplan: () => import("./operator/DialplanPage.svelte"),
  prompts: () => import("./operator/Prompts.svelte"),
  accounts: () => import("./operator/Accounts.svelte"),
  audit: () => import("./operator/Audit.svelte"),
  me: () => import("./shell/Me.svelte"),
};
