// What the API says. Times are milliseconds since 1970, durations end in `_ms`.

export type Tongue = "en" | "fr";
export type Language = "en" | "fr" | "unknown" | "other";
export type Risk = "urgent" | "elevated" | "standard" | "information";
export type StateName = "signed_out" | "not_ready" | "ready" | "offered" | "talking" | "wrap_up";
export type Reason = "signed_in" | "break" | "no_answer" | "phone_failed" | "hard_call";
export type Role = "advocate" | "supervisor" | "operator" | "auditor";
export type Command = "ready" | "break" | "end_wrap_up" | "hard_call";

export interface SignIn { password: boolean; oidc: { name: string; sign_out: string | null } | null; setup: boolean; demo: boolean }
export interface Session {
  user: string;
  name: string;
  roles: Role[];
  agent: string | null;
  language: Tongue;
  /** Whether there is one here; without it, an identity provider vouches for them. */
  password: boolean;
  csrf: string;
  expires: number;
  sip: { uri: string; realm: string } | null;
}

export interface Mode { silent: boolean; discreet: boolean }
export interface Offer {
  call: string;
  language: Language;
  risk: Risk;
  mode: Mode;
  kind: string;
  interpreter_needed: boolean;
  redial: boolean;
  waited_ms: number;
  since: number;
  until: number | null;
}
export type Light = "good" | "fair" | "poor" | "unknown";
export interface Talk {
  call: string;
  language: Language;
  risk: Risk;
  mode: Mode;
  redial: boolean;
  tty: boolean;
  interpreter_needed: boolean;
  since: number;
  waited_ms: number;
  held: boolean;
  quality: { mos: number | null; light: Light; one_way: null | "caller" | "advocate" };
  reattaching: boolean;
}
export interface Desk {
  at: number;
  agent: string;
  languages: Tongue[];
  state: { name: StateName; reason: Reason | null; since: number; until: number | null };
  reachable: { browser: boolean; phones: number; unheard: boolean; since: number };
  offer: Offer | null;
  talk: Talk | null;
  wrap_up_of: { call: string; language: Language; risk: Risk; ended: number } | null;
}
export interface KeyPress { call: string; digit: string; at: number }
export interface OwnCall {
  call: string;
  at: number;
  language: Language;
  risk: Risk;
  talked_ms: number;
  waited_ms: number;
  ended: string;
}

export interface Leg { from_missing: boolean; to_missing: boolean; quality: Quality | null }
export interface Quality {
  codec: string;
  srtp: string | null;
  received: number;
  lost: number;
  lost_percent: number;
  jitter_ms: number;
  round_trip_ms: number | null;
  mos: number | null;
  far_lost_percent: number | null;
  far_mos: number | null;
}
export type Stage = "waiting" | "greeting" | "talking";
export interface Call {
  id: string;
  line: string;
  trunk: string;
  language: Language;
  risk: Risk;
  mode: Mode;
  stage: Stage;
  since: number;
  arrived: number;
  /** When it first joined the queue. */
  joined: number | null;
  waited_ms: number | null;
  ringing: string[];
  agent: string | null;
  interpreter_needed: boolean;
  attention: "none" | "alerted" | "paged";
  media_flowing: boolean;
  tty: boolean;
  caller: Leg;
  advocate: Leg | null;
}
export interface Agent {
  id: string;
  languages: string[];
  roles: string[];
  state: StateName;
  reason: Reason | null;
  since: number;
  ends_in_ms: number | null;
  call: string | null;
}
export interface Queue { language: Language; risk: Risk; waiting: number; ringing: number; longest_since: number | null; longest_wait_ms: number | null }
export interface Service {
  language: Language;
  answered: number;
  abandoned: number;
  lost: number;
  mean_wait_ms: number | null;
  target_ms: number;
  target_percent: number;
  target_mean_ms: number;
  within: number;
  of: number;
}
export interface Totals { offered: number; answered: number; abandoned: number; lost: number; in_progress: number }
export interface Alarm {
  kind: string;
  since: number;
  call: string | null;
  agent: string | null;
  trunk: string | null;
  language: Language | null;
  /** When what it warns of happens or happened. */
  ends: number | null;
}
export interface Board {
  at: number;
  since: number;
  totals: Totals;
  queues: Queue[];
  service: Service[];
  calls: Call[];
  agents: Agent[];
  alarms: Alarm[];
  store_up: boolean;
  draining: boolean;
}
/** A row that is new, or what is new of one that is known. */
export type Row<Of> = Partial<Of> & { id: string };
export interface Change {
  at: number;
  totals?: Totals;
  /** Of these, those that changed. */
  queues?: Queue[];
  service?: Service[];
  calls?: { set?: Row<Call>[]; gone?: string[] };
  agents?: { set?: Row<Agent>[]; gone?: string[] };
  alarms?: Alarm[];
  store_up?: boolean;
  draining?: boolean;
}
export interface Bucket {
  at: number;
  offered: number;
  answered: number;
  abandoned: number;
  lost: number;
  by_language: Record<string, { answered: number; abandoned: number; wait_p80_ms: number | null }>;
  ready_max: number | null;
  waiting_max: number | null;
}
export interface Today { bucket_ms: number; from: number; buckets: Bucket[] }
export interface CallEvent { at: number; what: string; [field: string]: unknown }

export interface Shift { agent: string; day: number; from: string; to: string }
export interface Coverage { zone: string; hours: { day: number; hour: number; en: number; fr: number; urgent: number }[] }

export interface Trunk {
  id: string;
  sources: string[];
  calls: number;
  offered: number;
  refused: number;
  last_call: number | null;
  state: "up" | "down" | "quiet" | "unknown";
  why: string;
  since: number | null;
}
export interface GraphNode { id: string; kind: string; label_en: string; label_fr: string; here: number | null }
export interface GraphEdge { from: string; to: string; key: string | null; taken: number | null }
export interface Dialplan { hash: string; source: string; graph: { since: number; nodes: GraphNode[]; edges: GraphEdge[] } }
/** In both languages, whichever file it is of. */
export interface Finding { file?: string; line?: number | null; key?: string; what: string; remedy?: string; what_fr: string | null; remedy_fr: string | null }
export interface PlanCheck {
  good: boolean;
  findings: Finding[];
  difference: { path: string; path_fr: string; more: number; before: string[]; before_fr: string[]; after: string[]; after_fr: string[] }[];
  longest_to_queue_ms: number | null;
}
export interface Recording { file: string; duration_ms: number; loudness_lufs: number; findings: Finding[] }
export interface Prompt { id: string; texts: Record<string, string>; languages: Record<string, Recording> }
export interface Account {
  user: string;
  name: string;
  roles: Role[];
  agent: string | null;
  language: Tongue;
  disabled: boolean;
  password: boolean;
}
export interface AuditEntry { id: number; at: number; user: string; act: string; target: string; detail: string }
export interface Province {
  province: string;
  name_en: string;
  name_fr: string;
  law_en: string;
  law_fr: string;
  whom_en: string;
  whom_fr: string;
  note_en: string;
  note_fr: string;
  source: string;
  review: string;
}
