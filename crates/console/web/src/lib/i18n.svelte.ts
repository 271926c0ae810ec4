// The chosen language, and how texts, times and durations are said in it.

import { texts, type Key } from "../texts";
import type { Tongue } from "./types";

const KEPT = "havre.language";

class Tongues {
  current = $state<Tongue>(first());

  set(tongue: Tongue) {
    this.current = tongue;
    localStorage.setItem(KEPT, tongue);
  }
}

export const tongue = new Tongues();

/** A text of the catalogue; `{0}`, `{1}` are filled in. */
export function t(key: Key, ...fill: (string | number)[]): string {
  const text = texts[key][tongue.current === "fr" ? 1 : 0];
  return fill.length ? text.replace(/\{(\d)\}/g, (_, place: string) => String(fill[Number(place)] ?? "")) : text;
}

/** The text of a word the server said, as `group.word`; the word itself where a newer server says a new one. */
export function word(group: string, name: string): string {
  const key = `${group}.${name}`;
  return key in texts ? t(key as Key) : name;
}

/** The same in the middle of a sentence, where French writes the name of a language small. */
export function inside(text: string): string {
  return tongue.current === "fr" ? text.toLocaleLowerCase("fr-CA") : text;
}

/** One or many, as the language counts: in French nothing is singular too. What else is filled in follows. */
export function count(n: number, one: Key, many: Key, ...fill: number[]): string {
  return t(tongue.current === "fr" ? (n < 2 ? one : many) : n === 1 ? one : many, n, ...fill);
}

/** As people look for it: "repondre a" finds « Répondre à ». */
export function sought(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").replaceAll("’", "'").replace(/\s+/g, " ").toLowerCase();
}

/** A time of day: 1:05 p.m., 13 h 05. */
export function clock(at: number): string {
  const date = new Date(at);
  if (tongue.current === "fr") return bound(`${date.getHours()} h ${two(date.getMinutes())}`);
  return bound(date.toLocaleTimeString("en-CA", { hour: "numeric", minute: "2-digit" }));
}

/** The same with seconds, for lists: 1:05:09 p.m., 13:05:09. "13 h 05 min 09 s" could be a length, too. */
export function exactly(at: number): string {
  const date = new Date(at);
  if (tongue.current === "fr") return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return bound(date.toLocaleTimeString("en-CA", { hour: "numeric", minute: "2-digit", second: "2-digit" }));
}

/** The day, when it is not today, and the time. */
export function moment(at: number): string {
  const date = new Date(at);
  if (date.toDateString() === new Date().toDateString()) return clock(at);
  return `${bound(date.toLocaleDateString(`${tongue.current}-CA`, { day: "numeric", month: "short" }))}, ${clock(at)}`;
}

/** The same after "since": depuis 13 h 05, depuis le 3 mars, 13 h 05. */
export function start(at: number): string {
  const said = moment(at);
  return tongue.current === "fr" && said !== clock(at) ? `le ${said}` : said;
}

/** A running time: 0:07, 12:40, 1:02:03. */
export function running(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A length in words: 40 s, 12 min, 1 h 05 (the same in both languages). */
export function length(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds}\u00a0s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes}\u00a0min` : `${Math.floor(minutes / 60)}\u00a0h\u00a0${two(minutes % 60)}`;
}

/** A number with the language's own comma or point. */
export function number(value: number, digits = 0): string {
  const text = value.toLocaleString(`${tongue.current}-CA`, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return text.replace("-", "\u2212");
}

export function percent(part: number, of: number): string {
  if (!of) return "–";
  return share(part / of);
}

/** A part of one, in percent: 95%, 95 %. */
export function share(part: number, digits = 0): string {
  return part.toLocaleString(`${tongue.current}-CA`, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** On one line. */
function bound(text: string): string {
  return text.replace(/\s/g, "\u00a0");
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

function first(): Tongue {
  const kept = localStorage.getItem(KEPT);
  if (kept === "en" || kept === "fr") return kept;
  const wished = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag === "en" || tag === "fr");
  return wished === "fr" ? "fr" : "en";
}
