// The line as supervisors see it: the whole once, then only what changes. Rows are kept by id, so that a change of one
// call touches one row however many there are.

import { SvelteMap } from "svelte/reactivity";
import { time } from "../lib/clock.svelte";
import { Live } from "../lib/live.svelte";
import { session } from "../lib/session.svelte";
import type { Agent, Alarm, Board, Call, Change, Language, Risk, Row, Service, Totals } from "../lib/types";

export const RISKS: Risk[] = ["urgent", "elevated", "standard", "information"];
export const LANGUAGES: Language[] = ["en", "fr", "unknown", "other"];

/** Seconds by which a class stands before its arrival (caller-journey: risk and order). */
const HEAD_START: Record<Risk, number> = { urgent: 600, elevated: 60, standard: 0, information: -60 };
const STAGES = ["waiting", "greeting", "talking"];
const STATES = ["offered", "talking", "wrap_up", "ready", "not_ready", "signed_out"];

/** An agent, with the moment the state ends by itself. */
export type AgentRow = Agent & { until: number | null };

class BoardState {
  readonly calls = new SvelteMap<string, Call>();
  readonly agents = new SvelteMap<string, AgentRow>();
  known = $state(false);
  at = $state(0);
  since = $state(0);
  totals = $state.raw<Totals | null>(null);
  service = $state.raw<Service[]>([]);
  alarms = $state.raw<Alarm[]>([]);
  draining = $state(false);
  storeUp = $state(true);
  readonly live = new Live(
    "/api/v1/board/events",
    { board: (board) => this.#whole(board as Board), change: (change) => this.#change(change as Change) },
    () => void session.check(),
  );

  /** The line in its order, then those greeted, then those talking. */
  readonly line = $derived(
    [...this.calls.values()].sort(
      (a, b) => STAGES.indexOf(a.stage) - STAGES.indexOf(b.stage) || order(a) - order(b) || (a.id < b.id ? -1 : 1),
    ),
  );
  readonly waiting = $derived(this.line.filter((call) => call.stage === "waiting"));
  readonly talking = $derived(this.line.filter((call) => call.stage === "talking"));
  /** Those who do something first, then who could. */
  readonly team = $derived(
    [...this.agents.values()].sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || (a.id < b.id ? -1 : 1)),
  );
  /** Advocates only: supervisors and people on call are the reserve, and are not who a caller is waiting for. */
  readonly ready = $derived(this.team.filter((agent) => agent.state === "ready" && agent.roles.includes("advocate")));
  /** When the one who waits longest began to. */
  readonly longest = $derived(this.waiting.reduce<number | null>((first, call) => Math.min(first ?? call.since, call.since), null));

  open(): () => void {
    this.live.open();
    return () => this.live.close();
  }

  #whole(board: Board) {
    this.since = board.since;
    replace(this.calls, board.calls, (call) => call);
    replace(this.agents, board.agents, (agent) => row(agent, board.at) as AgentRow);
    this.#rest(board);
    this.known = true;
  }

  #change(change: Change) {
    change.calls?.gone?.forEach((id) => this.calls.delete(id));
    change.calls?.set?.forEach((call) => this.calls.set(call.id, { ...this.calls.get(call.id), ...call } as Call));
    change.agents?.gone?.forEach((id) => this.agents.delete(id));
    change.agents?.set?.forEach((agent) => this.agents.set(agent.id, { ...this.agents.get(agent.id), ...row(agent, change.at) } as AgentRow));
    this.#rest(change);
  }

  #rest(news: Change | Board) {
    time.sync(news.at);
    this.at = news.at;
    if (news.totals) this.totals = news.totals;
    if (news.service) this.service = renewed(this.service, news.service);
    if (news.alarms) this.alarms = news.alarms;
    if (news.draining !== undefined) this.draining = news.draining;
    if (news.store_up !== undefined) this.storeUp = news.store_up;
  }
}

function row(agent: Row<Agent>, at: number): Row<AgentRow> {
  const { ends_in_ms: left } = agent;
  return left === undefined ? agent : { ...agent, until: left === null ? null : at + left };
}

/** Every language once, in the order in which they came first. */
function renewed(known: Service[], news: Service[]): Service[] {
  const all = new Map(known.map((one) => [one.language, one]));
  for (const one of news) all.set(one.language, one);
  return [...all.values()];
}

function order(call: Call): number {
  return call.stage === "waiting" ? (call.joined ?? call.arrived) - HEAD_START[call.risk] * 1_000 : call.since;
}

function replace<From, To>(map: SvelteMap<string, To>, items: (From & { id: string })[], made: (item: From) => To) {
  const ids = new Set(items.map((item) => item.id));
  for (const id of map.keys()) if (!ids.has(id)) map.delete(id);
  for (const item of items) map.set(item.id, made(item));
}

/** Fewer calls say nothing about a share. */
const ENOUGH = 5;

/** A language whose callers are answered in time less often than the target says. */
export function short(one: Service): boolean {
  return one.of >= ENOUGH && one.within / one.of < one.target_percent / 100;
}

/** What there is to know of a call, worst first. */
export type CallNote = "one_way_caller" | "caller_deaf" | "one_way_advocate" | "advocate_deaf" | "silent" | "discreet" | "interpreter" | "tty" | "alerted" | "paged";

export function notes(call: Call): CallNote[] {
  const found: CallNote[] = [];
  if (call.attention === "paged") found.push("paged");
  else if (call.attention === "alerted") found.push("alerted");
  if (call.caller?.from_missing || !call.media_flowing) found.push("one_way_caller");
  if (call.caller?.to_missing) found.push("caller_deaf");
  if (call.advocate?.from_missing) found.push("one_way_advocate");
  if (call.advocate?.to_missing) found.push("advocate_deaf");
  if (call.mode.silent) found.push("silent");
  if (call.mode.discreet) found.push("discreet");
  if (call.interpreter_needed) found.push("interpreter");
  if (call.tty) found.push("tty");
  return found;
}

export const board = new BoardState();
