// The live page. It asks for the line's state, listens to the event stream, and asks again whenever something
// happened. The token stands in a header, never in an address. Text is only ever set as text.

const KEY = "havre-token";
const ROWS = 200; // rows drawn of one table; the API has the rest
const SETTLE = 250; // ms from an event to asking: the snapshot follows the event by up to 100 ms
const REFRESH = 10_000; // ms between asking when nothing happens
const SILENCE = 40_000; // ms without even a heartbeat (15 s): the stream is dead

const language = document.documentElement.lang.slice(0, 2);
const $ = (selector) => document.querySelector(selector);
let texts = {};
let token = null;
let stream = null; // AbortController of the running stream
let drawnAt = null; // performance.now() of the figures shown
let streaming = false; // whether the event stream is open
let live = false; // whether the figures shown are of this moment

main();

async function main() {
  $(`nav a[hreflang^="${language}"]`).setAttribute("aria-current", "page");
  texts = await (await fetch(`/page/${language}.json`)).json();
  $("#sign-in").addEventListener("submit", onSignIn);
  $("#sign-out").addEventListener("click", signOut);
  setInterval(tick, 1000);
  setInterval(() => live && refresh(), REFRESH);
  token = sessionStorage.getItem(KEY) ?? (await (await fetch("/page/token")).json()).token;
  token ? listen() : askToken();
}

// ---- signing in

function askToken(error = "") {
  setLink("");
  show("#board", false);
  show("#sign-out", false);
  show("#sign-in", true);
  $("#token-error").textContent = error;
  $("#token").focus();
}

async function onSignIn(event) {
  event.preventDefault();
  token = $("#token").value.trim();
  const answer = await ask("/api/v1/queues").catch(() => null);
  if (answer?.ok) {
    sessionStorage.setItem(KEY, token);
    $("#token").value = "";
    show("#sign-in", false);
    $("#main").focus();
    listen();
  } else {
    askToken(answer?.status === 401 ? say("token_wrong") : say("token_no_answer"));
  }
}

function signOut() {
  sessionStorage.removeItem(KEY);
  token = null;
  stream?.abort();
  askToken();
}

function ask(path, options = {}) {
  // A token that cannot stand in a header makes fetch throw; it is wrong then.
  return fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
}

// ---- the event stream

async function listen() {
  let lastId = null;
  let pause = 1000;
  setLink("link_connecting");
  while (token) {
    // Figures come even where the stream does not (too many readers); they are then marked as not live.
    await refresh();
    stream = new AbortController();
    const watchdog = new Watchdog(stream);
    try {
      const headers = lastId ? { "Last-Event-ID": lastId } : {};
      const answer = await ask("/api/v1/events", { headers, signal: stream.signal });
      if (answer.status === 401) {
        sessionStorage.removeItem(KEY);
        return askToken(say("token_wrong"));
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      pause = 1000;
      streaming = true;
      for await (const event of eventsOf(answer.body, watchdog)) {
        lastId = event.id ?? lastId;
        if (event.type) soon();
      }
    } catch {
      // Lost; the banner says so and the loop tries again.
    }
    watchdog.stop();
    streaming = false;
    if (!token) return;
    setLink("link_lost");
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, 10_000);
  }
}

class Watchdog {
  constructor(controller) {
    this.controller = controller;
    this.feed();
  }
  feed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.controller.abort(), SILENCE);
  }
  stop() {
    clearTimeout(this.timer);
  }
}

async function* eventsOf(body, watchdog) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    watchdog.feed();
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const field = (name) => block.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
      yield { id: field("id"), type: field("event") };
    }
  }
}

// ---- asking for the state

let pending = null;

function soon() {
  pending ??= setTimeout(() => {
    pending = null;
    refresh();
  }, SETTLE);
}

async function refresh() {
  try {
    const paths = ["/api/v1/queues", "/api/v1/calls", "/api/v1/agents", "/ready"];
    const answers = await Promise.all(paths.map((path) => ask(path)));
    if (!token || answers.slice(0, 3).some((answer) => !answer.ok)) return;
    const [queues, calls, agents, ready] = await Promise.all(answers.map((answer) => answer.json()));
    if (!token) return;
    draw(queues, calls.calls, agents.agents, ready.reasons);
    if (streaming) setLink("link_live");
  } catch {
    // The stream notices too, and says so.
  }
}

function setLink(key) {
  live = key === "link_live";
  const link = $("#link");
  setText(link, key && say(key));
  link.dataset.state = key;
  const stale = key === "link_lost" && drawnAt !== null;
  if (stale) {
    const seconds = Math.round((performance.now() - drawnAt) / 1000);
    const at = new Date(Date.now() - seconds * 1000);
    setText($("#stale"), say("stale", clock(at)));
  }
  show("#stale", stale);
  $("#board").classList.toggle("old", stale);
}

// ---- drawing

function draw(queues, calls, agents, reasons) {
  drawnAt = performance.now();
  show("#board", true);
  show("#sign-out", sessionStorage.getItem(KEY) !== null);
  const ready = agents.filter((agent) => agent.state === "ready" && agent.roles.includes("advocate")).length;
  const talking = calls.filter((call) => call.stage === "talking").length;
  setText($("#waiting"), queues.waiting);
  $("#waiting").classList.toggle("some", queues.waiting > 0);
  setTime($("#longest"), queues.longest_wait_ms);
  setText($("#talking"), talking);
  setText($("#ready"), ready);
  $("#ready").classList.toggle("none", ready === 0);
  document.title = (queues.waiting ? `(${queues.waiting}) ` : "") + say("title");
  drawAttention(calls, reasons, ready);
  drawQueue(queues.queues);
  drawCalls(queues.at, calls);
  drawAdvocates(queues.at, agents);
  drawService(queues);
}

function drawAttention(calls, reasons, ready) {
  const items = reasons.map(({ kind, detail }) => ({
    key: kind + detail,
    text: kind === "note" ? detail : say(`ready.${kind}`),
    level: kind === "note" ? "warn" : "bad",
  }));
  if (ready === 0) {
    const waiting = calls.some((call) => call.stage === "waiting");
    items.push({ key: "nobody", text: say("nobody_ready"), level: waiting ? "bad" : "warn" });
  }
  for (const call of calls.filter((call) => call.attention !== "none").slice(0, 8)) {
    const who = `${say(`risk.${call.risk}`)}, ${say(`language.${call.language}`)}`;
    const text = say(`attention.${call.attention}`, who);
    items.push({ key: call.id, text, level: call.attention === "paged" ? "bad" : "warn" });
  }
  if (items.length === 0) items.push({ key: "calm", text: say("all_calm"), level: "calm" });
  reconcile($("#attention"), items, () => document.createElement("li"), (li, { text, level }) => {
    setText(li, text);
    li.className = level;
  });
}

function drawQueue(queues) {
  const languages = [...new Set(queues.map((queue) => queue.language))];
  const rows = languages.map((language) => {
    const own = queues.filter((queue) => queue.language === language);
    const longest = Math.max(...own.map((queue) => queue.longest_wait_ms ?? -1));
    return {
      key: language,
      cells: [
        { text: say(`language.${language}`), header: true },
        ...own.map(({ risk, waiting }) => ({
          text: String(waiting),
          className: `number ${waiting ? `some ${risk}` : "zero"}`,
        })),
        { ms: longest < 0 ? null : longest, className: "number" },
      ],
    };
  });
  drawTable("#queue", rows);
}

function drawCalls(now, calls) {
  const rows = calls.map((call) => ({
    key: call.id,
    className: `${call.stage} ${call.attention}`,
    cells: [
      { chip: call.stage, text: say(`stage.${call.stage}`) },
      { ms: now - call.since, className: "number" },
      { badge: call.risk, text: say(`risk.${call.risk}`) },
      { text: say(`language.${call.language}`) },
      { text: call.agent ?? (call.ringing.length ? say("rings_at", call.ringing.join(", ")) : "") },
      { text: notes(call).join("; ") },
      { text: call.line, className: "line" },
    ],
  }));
  drawTable("#calls", rows);
}

// Nearly all users are dissatisfied below this score (ITU-T G.107, annex B: R = 60).
const POOR = 3.1;

/** A party's estimated mean opinion score; the best one while it is not known. */
function sounds(leg) {
  return leg?.quality?.mos ?? 5;
}

function notes(call) {
  return [
    call.mode.silent && say("silent"),
    call.mode.discreet && say("discreet"),
    call.interpreter_needed && say("interpreter"),
    !call.media_flowing && say("no_media"),
    call.tty && say("tty"),
    call.caller.to_missing && say("caller_deaf"),
    call.advocate?.from_missing && say("advocate_mute"),
    call.advocate?.to_missing && say("advocate_deaf"),
    sounds(call.caller) < POOR && say("poor_caller"),
    sounds(call.advocate) < POOR && say("poor_advocate"),
    call.stage === "talking" && call.waited_ms !== null && say("waited", duration(call.waited_ms)),
  ].filter(Boolean);
}

function drawAdvocates(now, agents) {
  const rows = agents.map((agent) => {
    const state = say(agent.reason ? `reason.${agent.reason}` : `state.${agent.state}`);
    const ends = agent.ends_in_ms > 60_000 ? say("until", clock(new Date(Date.now() + agent.ends_in_ms))) : "";
    const roles = agent.roles.filter((role) => role !== "advocate").map((role) => say(`role.${role}`));
    return {
      key: agent.id,
      className: agent.state,
      cells: [
        { text: agent.id, note: roles.join(", "), header: true },
        { chip: agent.state, text: state, note: ends },
        { ms: now - agent.since, className: "number" },
        { text: agent.languages.map((spoken) => say(`spoken.${spoken}`)).join(", ") || "–" },
      ],
    };
  });
  drawTable("#advocates", rows);
}

function drawService({ since, service }) {
  const start = new Date(since).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  // "p.m." brings its own full stop.
  setText($("#since"), say("since", start, service[0].target_ms / 1000).replace("..", "."));
  const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
  const rows = service.map((own) => ({
    key: own.language,
    cells: [
      { text: say(`language.${own.language}`), header: true },
      { text: String(own.answered), className: "number" },
      { text: String(own.abandoned), className: "number" },
      { text: String(own.lost), className: own.lost ? "number lost" : "number" },
      {
        text: own.of ? say("in_time_of", percent.format(own.within / own.of), own.within, own.of) : "–",
        className: "number",
      },
      { text: own.mean_wait_ms === null ? "–" : duration(own.mean_wait_ms), className: "number" },
    ],
  }));
  drawTable("#service", rows);
}

// ---- tables that change only where something changed, so that nothing jumps under eyes, cursor or screen reader

function drawTable(selector, rows) {
  const table = $(selector);
  const titles = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const roles = table.hasAttribute("role");
  reconcile(table.tBodies[0], rows.slice(0, ROWS), () => newRow(roles), (tr, row) => {
    tr.className = row.className ?? "";
    row.cells.forEach((cell, i) => drawCell(tr, i, cell, titles[i], roles));
  });
  table.hidden = rows.length === 0;
  const empty = table.parentElement.querySelector(".empty");
  if (empty) empty.hidden = rows.length > 0;
  const more = table.parentElement.querySelector(".more");
  if (more) {
    more.hidden = rows.length <= ROWS;
    setText(more, say("more", rows.length - ROWS));
  }
}

function newRow(roles) {
  const tr = document.createElement("tr");
  if (roles) tr.setAttribute("role", "row");
  return tr;
}

function drawCell(tr, i, cell, title, roles) {
  let td = tr.children[i];
  if (!td) {
    td = document.createElement(cell.header ? "th" : "td");
    if (cell.header) td.scope = "row";
    if (roles) td.setAttribute("role", cell.header ? "rowheader" : "cell");
    td.dataset.title = title;
    td.append(document.createElement("span"), document.createElement("small"));
    tr.append(td);
  }
  td.className = cell.text === "" ? "nothing" : (cell.className ?? "");
  const [text, note] = td.children;
  text.className = cell.chip ? `chip ${cell.chip}` : cell.badge ? `badge ${cell.badge}` : "";
  if ("ms" in cell) setTime(text, cell.ms);
  else setText(text, cell.text || "–");
  setText(note, cell.note ?? "");
}

function reconcile(parent, items, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, i) => {
    const child = old.get(item.key) ?? create();
    old.delete(item.key);
    child.dataset.key = item.key;
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
    update(child, item);
  });
  old.forEach((child) => child.remove());
}

// ---- time and text

function setTime(element, ms) {
  if (ms === null) {
    delete element.dataset.ms;
    setText(element, "–");
  } else {
    element.dataset.ms = ms;
    setText(element, duration(ms));
  }
}

// Waits go on between answers; while the page is not live they stand still, because nobody knows.
function tick() {
  if (!live) return;
  const since = performance.now() - drawnAt;
  for (const element of document.querySelectorAll("[data-ms]")) {
    setText(element, duration(Number(element.dataset.ms) + since));
  }
}

function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function clock(date) {
  return date.toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" });
}

function say(key, ...values) {
  const text = texts[key] ?? key;
  return values.reduce((text, value, i) => text.replaceAll(`{${i}}`, value), text);
}

function setText(element, text) {
  text = String(text);
  if (element.textContent !== text) element.textContent = text;
}

function show(selector, on) {
  $(selector).hidden = !on;
}
