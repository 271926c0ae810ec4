// A SIP server inside the page, in place of the WebSocket to `/sip`: it registers, rings with an offer of a real second
// peer connection, and so lets the page's own phone, SDP, ICE and DTLS run without a line. It goes into pages as text.

function fakeLine() {
  const Real = window.WebSocket;
  const line = {
    /** The page's connection. */
    socket: null,
    refuse: false,
    /** Calls that the page answered. */
    answered: 0,
    registered: 0,
    peer: null,
    heard: null,
    drop: () => line.socket?.close(),
    invite,
    cancel: () => line.last && line.send(request("CANCEL", line.last, [])),
    bye: () => line.send(request("BYE", { ...line.last, cseq: 2, branch: `z9hG4bK${token()}` }, [])),
    send: (text) => line.socket?.receive(text),
  };
  const token = () => Math.random().toString(36).slice(2, 12);
  const header = (text, name) => text.match(new RegExp(`^${name}:\\s*(.*)$`, "im"))?.[1].trim() ?? "";

  class Wire extends EventTarget {
    CONNECTING = 0; OPEN = 1; CLOSING = 2; CLOSED = 3;
    readyState = 0;
    binaryType = "blob";
    constructor(url, protocol) {
      super();
      if (!new URL(url).pathname.endsWith("/sip")) return new Real(url, protocol);
      this.url = url;
      setTimeout(() => {
        if (line.refuse) return this.close();
        this.readyState = 1;
        line.socket = this;
        this.onopen?.({});
      }, 5);
    }
    send(data) {
      const text = typeof data === "string" ? data : new TextDecoder().decode(data);
      note(text);
      setTimeout(() => void receive(this, text), 1);
    }
    receive(text) {
      if (this.readyState === 1) this.onmessage?.({ data: text });
    }
    close() {
      if (this.readyState === 3) return;
      this.readyState = 3;
      if (line.socket === this) line.socket = null;
      setTimeout(() => this.onclose?.({ wasClean: false, code: 1006, reason: "" }), 1);
    }
  }
  window.WebSocket = Object.assign(Wire, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
  window.fakeLine = line;

  function note(text) {
    const method = text.split(" ", 1)[0];
    if (method.startsWith("SIP/2.0")) return;
    // Outlives the page: what was sent while it went away counts too.
    sessionStorage.setItem("fake.seen", JSON.stringify([...JSON.parse(sessionStorage.getItem("fake.seen") ?? "[]"), method]));
  }

  async function receive(wire, text) {
    const [start] = text.split("\r\n");
    const method = start.split(" ")[0];
    if (method.startsWith("SIP/2.0")) return response(text, start);
    if (method === "ACK") return;
    const to = header(text, "To");
    const reply = [
      "SIP/2.0 200 OK",
      `Via: ${header(text, "Via")}`,
      `From: ${header(text, "From")}`,
      `To: ${to.includes("tag=") ? to : `${to};tag=${token()}`}`,
      `Call-ID: ${header(text, "Call-ID")}`,
      `CSeq: ${header(text, "CSeq")}`,
    ];
    if (method === "REGISTER") {
      line.registered += 1;
      line.contact = header(text, "Contact").match(/<([^>]*)>/)[1];
      reply.push(`Contact: ${header(text, "Contact").replace(/;expires=\d+/, "")};expires=120`);
    }
    let body = "";
    if (method === "INVITE") {
      reply.push("Contact: <sip:line@line.invalid;transport=ws>", "Content-Type: application/sdp");
      if (line.peer && header(text, "Call-ID") === line.last?.id) {
        // Hold and its end: the same media again.
        await line.peer.setRemoteDescription({ type: "offer", sdp: text.split("\r\n\r\n").slice(1).join("\r\n\r\n") });
        await line.peer.setLocalDescription();
        body = line.peer.localDescription.sdp;
      } else {
        // The test call: what comes in goes back.
        const peer = new RTCPeerConnection();
        peer.ontrack = ({ track }) => peer.getSenders()[0]?.replaceTrack(track);
        await peer.setRemoteDescription({ type: "offer", sdp: text.split("\r\n\r\n").slice(1).join("\r\n\r\n") });
        peer.getTransceivers()[0].direction = "sendrecv";
        await peer.setLocalDescription();
        await gathered(peer);
        line.test = peer;
        body = peer.localDescription.sdp;
      }
    }
    wire.receive([...reply, `Content-Length: ${new TextEncoder().encode(body).length}`, "", body].join("\r\n"));
  }

  async function response(text, start) {
    if (!/INVITE/.test(header(text, "CSeq")) || !line.last) return;
    const status = Number(start.split(" ")[1]);
    line.status = status;
    line.last.to = header(text, "To");
    if (status < 200) return;
    line.send(request("ACK", { ...line.last, branch: status < 300 ? `z9hG4bK${token()}` : line.last.branch }, []));
    if (status >= 300) return;
    line.last.target = header(text, "Contact").match(/<([^>]*)>/)?.[1] ?? line.last.target;
    if (line.nowhere) return;
    await line.peer.setRemoteDescription({ type: "answer", sdp: text.split("\r\n\r\n").slice(1).join("\r\n\r\n") });
    line.answered += 1;
  }

  /** Rings. Resolves when the INVITE is out. */
  async function invite(headers = {}, { nowhere = false } = {}) {
    const peer = new RTCPeerConnection();
    const context = new AudioContext();
    const tone = context.createOscillator();
    const out = context.createMediaStreamDestination();
    tone.connect(out);
    tone.start();
    peer.addTrack(out.stream.getAudioTracks()[0], out.stream);
    peer.ontrack = ({ streams }) => (line.heard = streams[0]);
    await peer.setLocalDescription();
    await gathered(peer);
    line.peer = peer;
    line.nowhere = nowhere;
    line.last = { id: token() + token(), tag: token(), branch: `z9hG4bK${token()}`, cseq: 1, target: line.contact, to: "<sip:advocate-bi@havre>" };
    line.send(request("INVITE", line.last, [...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), "Contact: <sip:line@line.invalid;transport=ws>", "Content-Type: application/sdp"], nowhere ? peer.localDescription.sdp.replace(/^a=candidate:(\S+ \d \S+ \d+) \S+ \d+/gm, "a=candidate:$1 192.0.2.1 9") : peer.localDescription.sdp));
  }

  function request(method, { id, tag, branch, cseq, target, to }, headers, body = "") {
    return [
      `${method} ${target} SIP/2.0`,
      `Via: SIP/2.0/WS line.invalid;branch=${branch}`,
      "Max-Forwards: 70",
      `From: "FR · urgent" <sip:line@havre>;tag=${tag}`,
      `To: ${to}`,
      `Call-ID: ${id}`,
      `CSeq: ${cseq} ${method}`,
      ...headers,
      `Content-Length: ${new TextEncoder().encode(body).length}`,
      "",
      body,
    ].join("\r\n");
  }

  function gathered(peer) {
    if (peer.iceGatheringState === "complete") return Promise.resolve();
    return new Promise((done) => peer.addEventListener("icegatheringstatechange", () => peer.iceGatheringState === "complete" && done()));
  }
}

export const FAKE_LINE = `(${fakeLine})()`;
