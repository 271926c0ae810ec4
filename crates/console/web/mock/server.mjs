// The console's server as far as the pages see it: the same paths, shapes and headers, with a line that tests set as they
// like. `node mock/server.mjs [PORT]` serves it for a person to look at: sign in as anybody.
//
// Shapes that the Rust side tests too are in ../tests/shapes.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, resolve } from "node:path";
import * as line from "./line.mjs";

const APP = resolve(import.meta.dirname, "../../assets/app");
const KINDS = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
/** As the server's: nothing inline, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src 'self' blob:; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export class Mock {
  constructor() {
    Object.assign(this, line.calm());
    this.session = null;
    this.streams = { desk: new Set(), board: new Set() };
    /** What was asked: `METHOD path`, with bodies. */
    this.asked = [];
    this.down = false;
    /** Connections are taken and nothing comes of them: a network that lets nothing through. */
    this.mute = false;
    /** Paths that answer 500. */
    this.broken = [];
    this.last = 0;
    this.server = createServer((request, response) => void this.#serve(request, response).catch(() => response.destroy()));
    // A connection that closes just as the browser uses it again would be a fault of the mock.
    this.server.keepAliveTimeout = 60_000;
  }

  listen(port = 0) {
    return new Promise((done) => this.server.listen(port, "127.0.0.1", () => done((this.base = `http://127.0.0.1:${this.server.address().port}`))));
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** Everybody's streams break, and nothing answers until `up`. */
  crash() {
    this.down = true;
    this.server.closeAllConnections();
  }

  up() {
    this.down = false;
  }

  signIn(roles = ["advocate"], user = "advocate-bi") {
    const agent = roles.some((role) => role === "advocate" || role === "supervisor") ? user : null;
    this.session = { user, name: this.name ?? "Camille Tremblay", roles, agent, language: "en", password: this.provided !== true, csrf: "c".repeat(32), expires: Date.now() + 12 * 3600e3, sip: agent && { uri: `sip:${agent}@havre`, realm: "havre" } };
    return this.session;
  }

  /** Now, and never twice the same: news of one millisecond would be in no order. */
  now() {
    return (this.last = Math.max(Date.now(), this.last + 1));
  }

  setDesk(change) {
    this.desk = { ...this.desk, ...change, at: this.now() };
    this.send("desk", "desk", this.desk);
  }

  key(digit) {
    this.send("desk", "key", { call: this.desk.talk?.call ?? "", digit, at: this.now() });
  }

  setBoard(board) {
    this.board = board;
    this.send("board", "board", board);
  }

  change(change) {
    this.send("board", "change", { at: this.now(), ...change });
  }

  send(stream, event, data) {
    if (this.mute) return;
    const frame = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    for (const response of this.streams[stream]) response.write(frame);
  }

  async #serve(request, response) {
    if (this.down) return void response.destroy();
    if (this.mute) return;
    const { pathname: path, searchParams } = new URL(request.url, "http://localhost");
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Cache-Control", "no-store");
    if (request.method === "GET" && !path.startsWith("/api/")) return this.#file(path, response);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const raw = Buffer.concat(chunks);
    const body = /json/.test(request.headers["content-type"] ?? "") && raw.length ? JSON.parse(raw.toString()) : raw;
    this.asked.push({ what: `${request.method} ${path}`, body });
    const say = (status, value) => {
      response.writeHead(status, { "Content-Type": status < 400 ? "application/json" : "application/problem+json" });
      response.end(value === undefined ? "" : JSON.stringify(value));
    };
    const problem = (status, code, more = {}) => say(status, { type: `urn:havre:problem:${code}`, code, title: code, status, detail: code, remedy: "", ...more });

    if (path === "/api/v1/sign-in") return say(200, this.offer);
    if (path === "/api/v1/session" && request.method === "POST") {
      if (body.password === "wrong") return problem(401, "wrong_credentials");
      const roles = body.user.startsWith("supervisor") ? ["supervisor"] : body.user.startsWith("operator") ? ["operator"] : body.user.startsWith("auditor") ? ["auditor"] : ["advocate"];
      return say(200, this.signIn(roles, body.user));
    }
    if (path === "/api/v1/setup") return body.token === "good-token" ? (this.signIn(["operator"], body.user), say(201, {})) : problem(403, "not_allowed");
    if (!this.session) return problem(401, "no_session");
    if (this.broken.some((part) => path.includes(part))) return problem(500, "fault");
    if (request.method !== "GET" && request.headers["x-csrf-token"] !== this.session.csrf) return problem(403, "bad_csrf");

    const route = `${request.method} ${path}`;
    switch (route) {
      case "GET /api/v1/session": return say(200, this.session);
      case "DELETE /api/v1/session": this.session = null; return response.writeHead(204).end();
      case "PUT /api/v1/session/language": this.session.language = body.language; return say(200, this.session);
      case "PUT /api/v1/session/password": return body.current === "wrong" ? problem(401, "wrong_credentials") : response.writeHead(204).end();
      case "GET /api/v1/desk": return say(200, this.desk);
      case "GET /api/v1/desk/events": return this.#stream("desk", "desk", { ...this.desk, at: this.now() }, response);
      case "PUT /api/v1/desk/state": return this.setDesk(line.commanded(body.command)), say(200, this.desk);
      case "POST /api/v1/desk/escalate": this.setDesk({ talk: { ...this.desk.talk, risk: "urgent" } }); return response.writeHead(204).end();
      case "GET /api/v1/desk/history": return say(200, { calls: this.history });
      case "GET /api/v1/provinces": return say(200, this.provinces);
      case "GET /api/v1/board": return say(200, this.board);
      case "GET /api/v1/board/events": return this.#stream("board", "board", { ...this.board, at: this.now() }, response);
      case "GET /api/v1/today": return say(200, this.today);
      case "GET /api/v1/agents": return say(200, { at: Date.now(), agents: this.board.agents });
      case "GET /api/v1/roster": return say(200, this.roster);
      case "PUT /api/v1/roster": this.roster = body; return say(200, body);
      case "GET /api/v1/coverage": return say(200, this.coverage);
      case "GET /api/v1/trunks": return say(200, { trunks: this.trunks });
      case "GET /api/v1/dialplan": return say(200, this.dialplan);
      case "POST /api/v1/dialplan/check": return say(200, line.checked(body.source));
      case "PUT /api/v1/dialplan": return body.base_hash === this.dialplan.hash ? (this.dialplan = { ...this.dialplan, source: body.source, hash: `${this.dialplan.hash}+` }, say(200, { dialplan: this.dialplan.hash, lines: 1, agents: 4, warnings: [] })) : problem(409, "conflict");
      case "GET /api/v1/prompts": return say(200, { prompts: this.prompts });
      case "GET /api/v1/accounts": return say(200, { accounts: this.accounts });
      case "POST /api/v1/accounts": this.accounts.push(without(body, "password")); return say(201, {});
      case "GET /api/v1/audit": return say(200, { entries: this.audit.filter(({ id }) => id < Number(searchParams.get("before") ?? Infinity)) });
    }
    if (/^GET \/api\/v1\/calls\/[^/]+\/events$/.test(route)) return say(200, { events: this.callEvents });
    if (/^POST \/api\/v1\/calls\/[^/]+\/(take|escalate)$/.test(route)) return response.writeHead(204).end();
    if (/^PUT \/api\/v1\/agents\/[^/]+\/state$/.test(route)) return say(200, {});
    if (/^GET \/api\/v1\/prompts\/.+\.wav$/.test(route)) {
      response.writeHead(200, { "Content-Type": "audio/wav" });
      return response.end(line.beep());
    }
    if (/^PUT \/api\/v1\/prompts\//.test(route)) return raw.length < 100 ? problem(422, "findings", { findings: [{ what: "It is empty.", remedy: "Record it again.", what_fr: "Il est vide.", remedy_fr: "Enregistrez-le de nouveau." }] }) : say(200, {});
    if (/^(PUT|DELETE) \/api\/v1\/accounts\//.test(route)) {
      const user = decodeURIComponent(path.split("/").at(-1));
      this.accounts = this.accounts.filter((account) => account.user !== user);
      if (request.method === "PUT") this.accounts.push(without(body, "password"));
      return request.method === "PUT" ? say(200, {}) : response.writeHead(204).end();
    }
    return problem(404, "not-found");
  }

  #stream(name, event, data, response) {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    this.streams[name].add(response);
    response.on("close", () => this.streams[name].delete(response));
  }

  #file(path, response) {
    const file = join(APP, normalize(path === "/" ? "/index.html" : path));
    const kind = KINDS[extname(file)];
    if (!file.startsWith(APP) || !kind) return void response.writeHead(404).end();
    try {
      const body = readFileSync(`${file}.br`);
      response.writeHead(200, { "Content-Type": kind, "Content-Encoding": "br" });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  }
}

function without(object, key) {
  const { [key]: _, ...rest } = object;
  return rest;
}

if (import.meta.filename === process.argv[1]) {
  const mock = new Mock();
  Object.assign(mock, line.busy());
  console.log(await mock.listen(Number(process.argv[2] ?? 8099)));
}
