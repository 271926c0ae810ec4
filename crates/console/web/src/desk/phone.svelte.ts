// The phone in the page: JsSIP over our own WebSocket, one talk at a time.
//
// Two rules stand above the rest. A page that goes away never hangs up: the server keeps the caller and rings this
// desk again (`X-Havre-Resume`). And nothing but the person's own act sends a BYE.

import JsSIP from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { IncomingRTCSessionEvent, OutgoingRTCSessionEvent, UA } from "jssip/lib/UA";
import { microphone, type Access } from "./microphone.svelte";
import type { Wire } from "./reach";

/** ICE that has not connected by then is blocked by something. */
const BLOCKED_AFTER = 8_000;
/** Media that broke for so long come back over a new connection. */
const BROKEN_FOR = 4_000;
/** Long enough for the line to hear a check. */
const HEARD_IN = 2_000;
/** Echo: what is said comes back. */
const TEST = "*45";

/** What no press of a button here changes. */
const DEAF = new Set<Access>(["refused", "missing", "insecure"]);

export type Line = "idle" | "ringing" | "answering" | "talking" | "testing";
export type Trouble = "blocked" | "microphone" | "refused";

export class Phone {
  wire = $state<Wire>("off");
  registered = $state(false);
  line = $state<Line>("idle");
  muted = $state(false);
  held = $state(false);
  /** What went wrong with the sound. */
  trouble = $state<Trouble | null>(null);
  /** The call that rings or talks, as the INVITE names it. */
  call = $state<string | null>(null);
  /** Media arrive and leave. */
  connected = $state(false);
  /** The person has ended the talk while there was no connection to say so over: it is said over the next one. */
  ending = $state(false);
  /** The test is the page's own, to see whether sound gets through by now: nothing of it is heard here. */
  checking = $state(false);

  #ua: UA | null = null;
  #socket: InstanceType<typeof JsSIP.WebSocketInterface> | null = null;
  #session: RTCSession | null = null;
  #stream: MediaStream | null = null;
  #opening: Promise<MediaStream | null> | null = null;
  #audio = new Audio();
  #timers = new Set<ReturnType<typeof setTimeout>>();
  #realm = "";
  /** Answered before the INVITE was here. */
  #wanted: string | null = null;

  start(uri: string, realm: string) {
    this.stop();
    this.#realm = realm;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.#socket = new JsSIP.WebSocketInterface(`${scheme}://${location.host}/sip`);
    const ua = new JsSIP.UA({
      sockets: [this.#socket],
      uri,
      register: true,
      register_expires: 120,
      instance_id: instance(),
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 8,
      session_timers: true,
      user_agent: "Havre console",
    });
    // One that was given up takes up to two seconds to end, and says so: by then that is nobody's news.
    const current = <Told extends unknown[]>(then: (...told: Told) => void) => (...told: Told) => this.#ua === ua && then(...told);
    ua.on("connecting", current(() => (this.wire = "connecting")));
    ua.on("connected", current(() => (this.wire = "open")));
    ua.on("disconnected", current(() => this.#disconnected()));
    ua.on("registered", current(() => {
      this.registered = true;
      if (this.ending) this.#session?.terminate();
    }));
    ua.on("unregistered", current(() => (this.registered = false)));
    ua.on("registrationFailed", current(() => {
      this.registered = false;
      this.#later(() => this.#ua === ua && ua.isConnected() && ua.register(), 3_000);
    }));
    ua.on("newRTCSession", current((event: IncomingRTCSessionEvent | OutgoingRTCSessionEvent) => {
      if (event.session.direction === "incoming") this.#incoming(event as IncomingRTCSessionEvent);
    }));
    this.#ua = ua;
    this.wire = "connecting";
    ua.start();
    addEventListener("pagehide", this.#leave);
    addEventListener("pageshow", this.#back);
    addEventListener("online", this.#online);
  }

  /** Lets go of the line without hanging up on anybody: the socket goes first, so that no BYE leaves. */
  stop() {
    removeEventListener("pagehide", this.#leave);
    removeEventListener("pageshow", this.#back);
    removeEventListener("online", this.#online);
    this.#timers.forEach(clearTimeout);
    this.#timers.clear();
    this.#drop(this.#session);
    this.#socket?.disconnect();
    this.#ua?.stop();
    this.#ua = null;
    this.#socket = null;
    this.wire = "off";
    this.registered = false;
  }

  /** Answers the call that rings, or will ring in a moment. */
  answer(call: string | null) {
    if (this.line === "ringing" && this.#session) void this.#pick(this.#session);
    else this.#wanted = call;
  }

  /** Not now: the next advocate is asked at once. */
  decline() {
    if (this.line === "ringing") this.#session?.terminate({ status_code: 486 });
  }

  hangUp() {
    if (this.registered || this.line !== "talking") return this.#session?.terminate();
    // JsSIP would forget the talk at once, and the server never hear that it is over.
    this.mute(true);
    this.ending = true;
  }

  /** The server knows of this talk no more, and its BYE did not come through. */
  forget(call: string) {
    if (this.call === call) this.#drop(this.#session);
  }

  mute(muted: boolean) {
    if (muted) this.#session?.mute({ audio: true });
    else this.#session?.unmute({ audio: true });
    this.muted = muted;
  }

  hold(held: boolean) {
    const session = this.#session;
    // Without a connection JsSIP would end the talk over it.
    if (!session || !this.registered) return;
    const done = held ? session.hold() : session.unhold();
    if (done) this.held = held;
    // The last one is not agreed upon yet: a press is not to be lost for that.
    else this.#later(() => this.#session === session && this.held !== held && this.hold(held), 250);
  }

  digit(digit: string) {
    this.#session?.sendDTMF(digit, { transportType: "RFC2833" as never });
  }

  /** Calls the echo. */
  test() {
    this.trouble = this.line === "idle" ? null : this.trouble;
    return this.#echo(false);
  }

  /** A short call to the echo, by which the line hears whether sound gets through by now. */
  check() {
    return this.#echo(true);
  }

  async #echo(checking: boolean) {
    if (!this.#ua || this.line !== "idle") return;
    this.line = "testing";
    this.checking = checking;
    const mediaStream = await this.#microphone();
    if (!mediaStream) return this.#idle(checking ? null : "microphone");
    const session = this.#ua.call(`sip:${TEST}@${this.#realm}`, { mediaStream, pcConfig: PLAIN });
    this.#follow(session);
    if (session.connection) this.#wires(session.connection);
  }

  /** The speaker was changed. */
  async speaker(id: string) {
    const sink = this.#audio as HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> };
    await sink.setSinkId?.(id).catch(() => {});
  }

  /** The microphone was changed: in a talk at once. */
  async replaceMicrophone() {
    const sender = this.#session?.connection?.getSenders().find((one) => one.track?.kind === "audio");
    if (!sender) return;
    const stream = await microphone.open();
    const track = stream?.getAudioTracks()[0];
    if (!stream || !track) return;
    await sender.replaceTrack(track);
    this.#stream?.getTracks().forEach((old) => old.stop());
    this.#stream = stream;
    track.enabled = !this.muted;
  }

  #incoming({ session, request }: IncomingRTCSessionEvent) {
    // Without a microphone nobody is helped, and to ring in vain takes a caller's time: the next advocate is asked at once.
    if (DEAF.has(microphone.access)) {
      this.trouble = "microphone";
      return session.terminate({ status_code: 480 });
    }
    const resume = request.getHeader("X-Havre-Resume") === "yes";
    if (this.#session && !resume) {
      if (this.line !== "testing") return session.terminate({ status_code: 486 });
      // A caller comes before a test.
      this.#session.terminate();
    }
    // The server rings again for the talk we are in: the old connection is dead to it. Who has ended it is brought back to
    // end it: otherwise the caller would hear that the line dropped.
    const ending = resume && this.ending;
    if (resume) this.#drop(this.#session);
    this.ending = ending;
    this.call = request.getHeader("X-Havre-Call") ?? null;
    this.line = "ringing";
    this.trouble = null;
    this.#follow(session);
    // Opened while it rings, so that answering takes no time.
    this.#opening = this.#microphone();
    const wanted = this.#wanted !== null && (this.#wanted === this.call || this.call === null);
    this.#wanted = null;
    if (resume || wanted) void this.#pick(session);
  }

  async #pick(session: RTCSession) {
    this.line = "answering";
    const mediaStream = await (this.#opening ?? this.#microphone());
    if (this.#session !== session) return;
    if (!mediaStream) {
      // Without a microphone nobody is helped: the caller goes to the next advocate.
      session.terminate({ status_code: 486 });
      return this.#idle("microphone");
    }
    session.answer({ mediaStream, pcConfig: PLAIN });
  }

  #follow(session: RTCSession) {
    this.#session = session;
    this.muted = false;
    this.held = false;
    this.connected = false;
    const current = (then: () => void) => () => this.#session === session && then();
    session.on("peerconnection", ({ peerconnection }: { peerconnection: RTCPeerConnection }) => this.#wires(peerconnection));
    session.on("icecandidate", ({ ready }: { ready: () => void }) => ready());
    session.on("accepted", current(() => {
      if (this.line !== "testing") this.line = "talking";
      if (this.ending) session.terminate();
    }));
    session.on("ended", current(() => this.#idle(null)));
    session.on("failed", current(() => this.#idle(this.line === "testing" && !this.checking ? "refused" : null)));
  }

  #wires(connection: RTCPeerConnection) {
    this.#later(() => {
      if (this.#session?.connection !== connection || this.connected) return;
      if (this.checking) this.#session.terminate();
      else this.trouble = "blocked";
    }, BLOCKED_AFTER);
    connection.addEventListener("track", ({ streams, track }) => {
      if (this.checking) return;
      this.#audio.srcObject = streams[0] ?? new MediaStream([track]);
      this.#audio.autoplay = true;
      if (microphone.output) void this.speaker(microphone.output);
      void this.#audio.play().catch(() => {});
    });
    // Captured first: JsSIP would send a BYE when ICE fails, and so hang up on the caller.
    connection.addEventListener(
      "iceconnectionstatechange",
      (event) => {
        event.stopImmediatePropagation();
        const state = connection.iceConnectionState;
        const live = state === "connected" || state === "completed";
        if (this.#session?.connection !== connection) return;
        if (live) {
          this.connected = true;
          this.trouble = null;
          if (this.checking) this.#later(() => this.#session?.connection === connection && this.#session.terminate(), HEARD_IN);
        } else if (state === "failed" || state === "disconnected") {
          const was = this.connected;
          this.connected = false;
          if (was) this.#later(() => this.#broken(connection), state === "failed" ? 0 : BROKEN_FOR);
        }
      },
      { capture: true },
    );
  }

  /** Sound that broke comes back by a new registration: the server then rings with `X-Havre-Resume`. */
  #broken(connection: RTCPeerConnection) {
    if (this.#session?.connection !== connection || this.connected) return;
    // As long as sound of ours arrives there, a cut connection alone would change nothing.
    connection.close();
    this.#reconnect();
  }

  #reconnect() {
    this.registered = false;
    this.#socket?.disconnect();
    // JsSIP then tries again by itself.
    (this.#socket as unknown as { ondisconnect: (error: boolean) => void } | null)?.ondisconnect(true);
  }

  #disconnected() {
    this.wire = "connecting";
    this.registered = false;
  }

  /** Forgets a talk without a word to the server. */
  #drop(session: RTCSession | null) {
    if (!session) return;
    (session as unknown as { removeAllListeners(): void }).removeAllListeners();
    session.connection?.close();
    this.#idle(null);
  }

  #idle(trouble: Trouble | null) {
    this.#session = null;
    this.#opening = null;
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#audio.srcObject = null;
    this.line = "idle";
    this.call = null;
    this.connected = false;
    this.muted = false;
    this.held = false;
    this.ending = false;
    this.checking = false;
    if (trouble || this.trouble !== "blocked") this.trouble = trouble;
  }

  async #microphone(): Promise<MediaStream | null> {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = await microphone.open();
    return this.#stream;
  }

  #later(then: () => void, ms: number) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.add(timer);
  }

  #leave = () => this.#socket?.disconnect();
  /** Out of the browser's cache of pages, with a socket that was closed. */
  #back = (event: PageTransitionEvent) => event.persisted && this.#reconnect();
  #online = () => {
    if (this.wire !== "open") this.#reconnect();
  };
}

/** No server of anybody's: the line's own candidates are enough. */
const PLAIN: RTCConfiguration = { iceServers: [], bundlePolicy: "max-bundle" };

/** One id for this browser's tab, the same after a reload: the server then replaces the old registration. */
function instance(): string {
  const kept = sessionStorage.getItem("havre.instance");
  const id = kept ?? `uuid:${crypto.randomUUID()}`;
  sessionStorage.setItem("havre.instance", id);
  return id;
}
