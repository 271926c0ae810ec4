// Lines to look at: a calm one, a busy one, and one of any size.

const MINUTE = 60_000;
const PROVINCES = {
  provinces: [
    { province: "on", name_en: "Ontario", name_fr: "Ontario", law_en: "Child, Youth and Family Services Act, 2017, s 125", law_fr: "Loi de 2017 sur les services à l’enfance, à la jeunesse et à la famille, art. 125", whom_en: "A children’s aid society", whom_fr: "Une société d’aide à l’enfance", note_en: "Everyone has this duty.", note_fr: "Toute personne a ce devoir.", source: "https://www.ontario.ca/laws/statute/17c14", review: "awaiting legal review" },
    { province: "qc", name_en: "Quebec", name_fr: "Québec", law_en: "Youth Protection Act, s 39", law_fr: "Loi sur la protection de la jeunesse, art. 39", whom_en: "The director of youth protection", whom_fr: "La direction de la protection de la jeunesse", note_en: "Everyone has this duty.", note_fr: "Toute personne a ce devoir.", source: "https://www.legisquebec.gouv.qc.ca/fr/document/lc/P-34.1", review: "awaiting legal review" },
  ],
};

const SAID = {
  P1: ["You have reached the line. For English, press 1.", "Vous avez joint la ligne. Pour le français, faites le 2."],
  P2: ["You’re still in line. Someone will be with you.", "Vous êtes toujours en ligne. Quelqu’un va vous répondre."],
  P3: ["If you cannot speak, press 5.", "Si vous ne pouvez pas parler, faites le 5."],
  P6: ["You’re still in line. Thank you for holding.", "Vous êtes toujours en ligne. Merci d’attendre."],
};

export function calm() {
  const now = Date.now();
  return {
    offer: { password: true, oidc: null, setup: false, demo: true },
    desk: {
      at: now,
      agent: "advocate-bi",
      languages: ["en", "fr"],
      state: { name: "ready", reason: null, since: now - 12 * MINUTE, until: null },
      reachable: { browser: true, phones: 0, unheard: false, since: now - 12 * MINUTE },
      offer: null,
      talk: null,
      wrap_up_of: null,
    },
    history: [
      own(1, now - 40 * MINUTE, "fr", "standard", 22 * MINUTE, 9_000, "caller"),
      own(2, now - 130 * MINUTE, "en", "urgent", 51 * MINUTE, 4_000, "advocate"),
      own(3, now - 26 * 60 * MINUTE, "unknown", "information", 3 * MINUTE, 21_000, "caller"),
      own(4, now - 27 * 60 * MINUTE, "fr", "elevated", 12 * MINUTE, 7_000, "lost"),
      own(5, now - 28 * 60 * MINUTE, "en", "standard", 31 * MINUTE, 12_000, "caller"),
      own(6, now - 29 * 60 * MINUTE, "other", "standard", 41 * MINUTE, 33_000, "caller"),
    ],
    provinces: PROVINCES,
    board: board([], agents(4), []),
    today: today(now),
    callEvents: [
      { at: now - 62_000, what: "arrived", line: "hotline", trunk: "east" },
      { at: now - 61_800, what: "picked" },
      { at: now - 57_000, what: "joined", language: "fr", risk: "standard" },
      { at: now - 57_000, what: "offered", agent: "advocate-fr" },
      { at: now - 45_000, what: "withdrawn", agent: "advocate-fr", why: "no_answer" },
      { at: now - 30_000, what: "risk", risk: "urgent" },
      { at: now - 29_000, what: "answered", agent: "advocate-bi", waited_ms: 28_000 },
    ],
    roster: { shifts: [{ agent: "advocate-en", day: 0, from: "08:00", to: "20:00" }, { agent: "advocate-fr", day: 0, from: "09:00", to: "17:00" }, { agent: "supervisor", day: 4, from: "20:00", to: "04:00" }] },
    coverage: { zone: "America/Toronto", hours: Array.from({ length: 168 }, (_, n) => ({ day: Math.floor(n / 24), hour: n % 24, en: n % 24 > 5 ? 2 : 1, fr: n % 24 > 7 && n % 24 < 22 ? 1 : 0, urgent: n % 24 === 3 ? 0 : 1 })) },
    trunks: [
      { id: "east", sources: ["192.0.2.0/28"], calls: 2, offered: 143, refused: 0, last_call: now - 40_000, state: "up", why: "called_lately", since: null },
      { id: "west", sources: ["198.51.100.7/32"], calls: 0, offered: 12, refused: 3, last_call: now - 9 * 60 * MINUTE, state: "down", why: "no_answer", since: now - 11 * MINUTE },
      { id: "demo", sources: ["127.0.0.0/8"], calls: 0, offered: 0, refused: 0, last_call: null, state: "unknown", why: "no_call_since_start", since: null },
    ],
    dialplan: plan(),
    prompts: Object.entries(SAID).map(([id, [en, fr]], n) => ({
      id,
      texts: { en, fr },
      languages: {
        en: { file: `${id}.en.wav`, duration_ms: 3_200 + 700 * n, loudness_lufs: -19.2, source: "human", findings: [] },
        fr: { file: `${id}.fr.wav`, duration_ms: 3_900 + 700 * n, loudness_lufs: -23.8, source: "espeak", findings: n === 1 ? [{ file: `${id}.fr.wav`, line: null, key: "loudness", what: "It is 3 dB softer than the English one.", remedy: "Record it closer.", what_fr: "Il est plus faible de 3 dB que l’anglais.", remedy_fr: "Enregistrez-le de plus près." }] : [] },
      },
    })),
    accounts: [
      { user: "supervisor", name: "Dana Roy", roles: ["supervisor"], agent: "supervisor", language: "en", disabled: false, password: true },
      { user: "advocate-bi", name: "Camille Tremblay", roles: ["advocate"], agent: "advocate-bi", language: "fr", disabled: false, password: false },
      { user: "ops", name: "Sam Okafor", roles: ["operator", "auditor"], agent: null, language: "en", disabled: true, password: true },
    ],
    audit: [
      { id: 3, at: now - 5 * MINUTE, user: "supervisor", act: "agent_state", target: "advocate-en", detail: "break" },
      { id: 2, at: now - 50 * MINUTE, user: "ops", act: "dialplan", target: "hotline.toml", detail: "3f2a… → 9bc1…" },
      { id: 1, at: now - 30 * 60 * MINUTE, user: "ops", act: "account_add", target: "advocate-bi", detail: "" },
    ],
  };
}

export function busy() {
  const now = Date.now();
  const calls = [
    call(1, "fr", "urgent", "waiting", now - 34_000, { mode: { silent: true, discreet: false }, ringing: ["supervisor"], attention: "alerted" }),
    call(2, "en", "elevated", "waiting", now - 51_000, {}),
    call(3, "en", "standard", "waiting", now - 12_000, { ringing: ["advocate-7"] }),
    call(4, "other", "standard", "waiting", now - 95_000, { interpreter_needed: true, attention: "paged" }),
    call(5, "unknown", "standard", "greeting", now - 3_000, {}),
    call(6, "fr", "standard", "talking", now - 13 * MINUTE, { agent: "advocate-1", waited_ms: 8_000 }),
    call(7, "en", "urgent", "talking", now - 47 * MINUTE, { agent: "advocate-2", waited_ms: 4_000, caller: { from_missing: true, to_missing: false, quality: quality(2.1) } }),
  ];
  const team = agents(14);
  const alarms = [
    { kind: "urgent_waiting", since: now - 34_000, call: calls[0].id, agent: null, trunk: null, language: "fr", ends: null },
    { kind: "trunk_down", since: now - 11 * MINUTE, call: null, agent: null, trunk: "west", language: null, ends: null },
    { kind: "one_way", since: now - 20_000, call: calls[6].id, agent: null, trunk: null, language: null, ends: null },
  ];
  return { ...calm(), board: board(calls, team, alarms) };
}

/** `team` advocates and `waiting` callers. */
export function large(team, waiting) {
  const now = Date.now();
  const languages = ["en", "fr", "unknown", "other"];
  const risks = ["standard", "standard", "elevated", "information", "urgent"];
  const calls = Array.from({ length: waiting }, (_, n) => call(n, languages[n % 4], risks[n % 5], "waiting", now - n * 1_700, {}));
  return board(calls, agents(team), []);
}

export function board(calls, team, alarms) {
  const now = Date.now();
  const languages = ["en", "fr", "unknown", "other"];
  return {
    at: now,
    since: now - 9 * 60 * MINUTE,
    totals: { offered: 48, answered: 39, abandoned: 4, lost: 0, in_progress: calls.length },
    queues: languages.flatMap((language) => ["urgent", "elevated", "standard", "information"].map((risk) => ({ language, risk, waiting: 0, ringing: 0, longest_since: null, longest_wait_ms: null }))),
    service: languages.map((language, n) => ({ language, answered: [22, 15, 2, 0][n], abandoned: [2, 2, 0, 0][n], lost: 0, mean_wait_ms: [9_400, 21_800, 14_000, null][n], target_ms: 20_000, target_percent: 90, target_mean_ms: 20_000, within: [21, 12, 2, 0][n], of: [22, 16, 2, 0][n] })),
    calls,
    agents: team,
    alarms,
    store_up: true,
    draining: false,
  };
}

export function agents(n) {
  const now = Date.now();
  const states = ["ready", "talking", "ready", "wrap_up", "not_ready", "signed_out", "ready", "offered"];
  return Array.from({ length: n }, (_, place) => {
    const state = states[place % states.length];
    return {
      id: `advocate-${place}`,
      languages: place % 3 === 0 ? ["en", "fr"] : place % 3 === 1 ? ["fr"] : ["en", "es"],
      roles: place % 9 === 0 ? ["advocate", "supervisor"] : ["advocate"],
      state,
      reason: state === "not_ready" ? ["break", "hard_call", "no_answer"][place % 3] : null,
      since: now - (state === "offered" ? 4 : place * 37 + 5) * 1_000,
      ends_in_ms: null,
      call: null,
    };
  });
}

export function call(n, language, risk, stage, since, more) {
  const leg = { from_missing: false, to_missing: false, quality: quality(4.2) };
  return {
    id: `c${n.toString(16).padStart(16, "0")}`,
    line: "hotline",
    trunk: "east",
    language,
    risk,
    mode: { silent: false, discreet: false, sound: "full" },
    stage,
    since,
    arrived: since - 6_000,
    joined: stage === "greeting" ? null : since,
    waited_ms: null,
    ringing: [],
    agent: null,
    interpreter_needed: false,
    attention: "none",
    media_flowing: true,
    tty: false,
    caller: leg,
    advocate: more.agent ? { ...leg, quality: { ...quality(4.2), srtp: "AES_CM_128_HMAC_SHA1_80" } } : null,
    ...more,
  };
}

export function offered(more = {}) {
  const now = Date.now();
  return { call: "c00000000000000aa", language: "fr", risk: "urgent", mode: { silent: false, discreet: false }, kind: "single", interpreter_needed: false, redial: true, waited_ms: 14_000, since: now, until: now + 12_000, ...more };
}

export function talking(more = {}) {
  return { call: "c00000000000000aa", language: "fr", risk: "elevated", mode: { silent: true, discreet: false }, redial: true, tty: false, interpreter_needed: false, since: Date.now() - 254_000, waited_ms: 14_000, held: false, quality: { mos: 4.1, light: "good", one_way: null }, reattaching: false, ...more };
}

/** What a command does to the desk. */
export function commanded(command) {
  const now = Date.now();
  const state = {
    ready: { name: "ready", reason: null, since: now, until: null },
    end_wrap_up: { name: "ready", reason: null, since: now, until: null },
    break: { name: "not_ready", reason: "break", since: now, until: null },
    hard_call: { name: "not_ready", reason: "hard_call", since: now, until: now + 15 * MINUTE },
  }[command];
  return { state, wrap_up_of: null };
}

export function checked(source) {
  if (source.includes("broken")) return { findings: [{ file: "dialplan", line: 3, key: "menu", what: "This key leads nowhere.", remedy: "Name a node that exists.", what_fr: "Cette touche ne mène nulle part.", remedy_fr: "Nommez un menu qui existe." }], difference: [], longest_to_queue_ms: null, good: false };
  if (source.includes("many")) {
    const heard = ["hears P1", "hears P2", "hears P3", "hears P4", "hears P5"];
    return { good: true, findings: [], difference: Array.from({ length: 100 }, (_, n) => ({ path: `hotline: ${n}`, path_fr: `hotline : ${n}`, more: 0, before: heard, before_fr: heard, after: heard.slice(1), after_fr: heard.slice(1) })), longest_to_queue_ms: 18_000 };
  }
  return { good: true, findings: [], difference: [{ path: "hotline: no key", path_fr: "hotline : aucune touche", more: 0, before: ["hears P1", "joins after 18 s"], before_fr: ["entend P1", "entre après 18 s"], after: ["hears P1", "joins after 12 s"], after_fr: ["entend P1", "entre après 12 s"] }, { path: "hotline: 7", path_fr: "hotline : 7", more: 3, before: [], before_fr: [], after: ["joins as information"], after_fr: ["entre comme information"] }], longest_to_queue_ms: 18_000 };
}

/** A quarter second of a soft tone. */
export function beep() {
  const samples = 2_000;
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(8_000, 24);
  wav.writeUInt32LE(16_000, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(samples * 2, 40);
  for (let n = 0; n < samples; n += 1) wav.writeInt16LE(Math.round(6_000 * Math.sin((n * 2 * Math.PI * 440) / 8_000)), 44 + n * 2);
  return wav;
}

function own(n, at, language, risk, talked_ms, waited_ms, ended) {
  return { call: `c${n.toString(16).padStart(16, "0")}`, at, language, risk, talked_ms, waited_ms, ended };
}

function quality(mos) {
  return { codec: "PCMU", received: 5_120, lost: 3, lost_percent: 0.1, jitter_ms: 2.4, round_trip_ms: 31, mos, far_lost_percent: 0, far_mos: mos, srtp: null };
}

function today(now) {
  const from = new Date(now).setHours(0, 0, 0, 0);
  const buckets = Array.from({ length: 56 }, (_, n) => {
    const wave = Math.max(0, Math.round(2.2 + 2 * Math.sin(n / 9) + ((n * 7) % 5) - 2));
    return {
      at: from + n * 15 * MINUTE,
      offered: wave,
      answered: Math.max(0, wave - (n % 11 === 0 ? 1 : 0)),
      abandoned: n % 11 === 0 ? 1 : 0,
      lost: 0,
      by_language: { en: { answered: wave, abandoned: 0, wait_p80_ms: wave ? 8_000 + ((n * 13) % 9) * 1_000 : null }, fr: { answered: wave, abandoned: 0, wait_p80_ms: wave ? 9_000 + ((n * 17) % 12) * 1_000 : null } },
      ready_max: 4,
      waiting_max: n % 4 === 0 ? 2 : wave > 3 ? 1 : 0,
    };
  });
  return { bucket_ms: 15 * MINUTE, from, buckets };
}

function plan() {
  const node = (id, kind, label_en, label_fr, here = 0) => ({ id, kind, label_en, label_fr, here });
  const edge = (from, to, key, taken) => ({ from, to, key, taken });
  return {
    hash: "3f2a",
    source: '[line]\nname = "hotline"\n\n[[node]]\nid = "greeting"\nplay = "P1"\n',
    graph: {
      since: Date.now() - 24 * 60 * MINUTE,
      nodes: [
        node("greeting", "menu", "Greeting", "Accueil", 1),
        node("en", "join", "Join, English", "Entrer dans la file, anglais"),
        node("fr", "join", "Join, French", "Entrer dans la file, français"),
        node("other", "join", "Join, other language", "Entrer dans la file, autre langue"),
        node("silent", "join", "Join, urgent and silent", "Entrer, urgent et silencieux"),
        node("queue", "queue", "In line", "En file", 4),
        node("talk", "talk", "With an advocate", "Avec une intervenante ou un intervenant", 2),
      ],
      edges: [
        edge("greeting", "en", "1", 22), edge("greeting", "fr", "2", 15), edge("greeting", "other", "3", 1), edge("greeting", "silent", "5", 2),
        edge("greeting", "queue", "no_input", 8), edge("en", "queue", null, 22), edge("fr", "queue", null, 15), edge("other", "queue", null, 1), edge("silent", "queue", null, 2),
        edge("queue", "talk", null, 39), edge("queue", "queue", "8", 3), edge("talk", "queue", null, 0),
      ],
    },
  };
}
