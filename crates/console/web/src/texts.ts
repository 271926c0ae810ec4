// Every text of the console, in English and in Canadian French. `tests/texts.mjs` checks that each is used, that both
// have the same places to fill in, and the French typography (a no-break space before a colon and within guillemets).

import { board } from "./texts/board";
import { desk } from "./texts/desk";
import { operator } from "./texts/operator";
import { shell } from "./texts/shell";

export type Texts = Record<string, readonly [en: string, fr: string]>;

export const texts = { ...shell, ...desk, ...board, ...operator } as const;

export type Key = keyof typeof texts;
