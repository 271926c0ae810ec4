// The microphone and the speaker: which ones, whether we may, and how loud it is.

const KEPT = { input: "havre.microphone", output: "havre.speaker" };

export type Access = "unknown" | "granted" | "ask" | "refused" | "missing" | "busy" | "insecure";

class Microphone {
  access = $state<Access>("unknown");
  inputs = $state.raw<MediaDeviceInfo[]>([]);
  outputs = $state.raw<MediaDeviceInfo[]>([]);
  input = $state(localStorage.getItem(KEPT.input) ?? "");
  output = $state(localStorage.getItem(KEPT.output) ?? "");
  /** 0 to 1, while metered. */
  level = $state(0);

  /** Looks without asking the person; then keeps itself up to date. */
  async watch() {
    if (!navigator.mediaDevices) {
      this.access = "insecure";
      return;
    }
    navigator.mediaDevices.addEventListener("devicechange", () => void this.#list());
    try {
      const permission = await navigator.permissions.query({ name: "microphone" as PermissionName });
      const read = () => {
        if (permission.state === "denied") this.access = "refused";
        else if (permission.state === "prompt") this.access = "ask";
        else if (this.access !== "missing" && this.access !== "busy") this.access = "granted";
      };
      permission.addEventListener("change", () => {
        this.access = "unknown";
        read();
        void this.#list();
      });
      read();
    } catch {
      // Firefox before 131 has no such permission to query: asking tells.
      this.access = "ask";
    }
    await this.#list();
  }

  /** The microphone, asking for permission where it is needed; null with the reason in `access`. */
  async open(): Promise<MediaStream | null> {
    if (!navigator.mediaDevices) return null;
    const wish = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    try {
      let stream: MediaStream;
      try {
        const audio = this.input ? { ...wish, deviceId: { exact: this.input } } : wish;
        stream = await navigator.mediaDevices.getUserMedia({ audio });
      } catch (error) {
        // The chosen one was unplugged: any other is better than none.
        if ((error as Error).name !== "OverconstrainedError") throw error;
        stream = await navigator.mediaDevices.getUserMedia({ audio: wish });
      }
      this.access = "granted";
      void this.#list();
      return stream;
    } catch (error) {
      this.access = reason(error as Error);
      return null;
    }
  }

  /** Asks for permission and lets the microphone go again at once. */
  async ask(): Promise<boolean> {
    const stream = await this.open();
    stream?.getTracks().forEach((track) => track.stop());
    return stream !== null;
  }

  choose(kind: "input" | "output", id: string) {
    this[kind] = id;
    localStorage.setItem(KEPT[kind], id);
  }

  /** Shows `stream`'s level until the result is called. */
  meter(stream: MediaStream): () => void {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      // −60 dB is an empty room, 0 dB too loud.
      this.level = Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60));
    }, 80);
    return () => {
      clearInterval(timer);
      void context.close();
      this.level = 0;
    };
  }

  async #list() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    this.inputs = devices.filter((device) => device.kind === "audioinput");
    this.outputs = devices.filter((device) => device.kind === "audiooutput");
    if (this.inputs.length === 0) this.access = "missing";
    else if (this.access === "missing") this.access = "unknown";
    if (this.access === "unknown") this.access = this.inputs.some((device) => device.label) ? "granted" : "ask";
  }
}

function reason(error: Error): Access {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "refused";
    case "NotFoundError":
      return "missing";
    default:
      return "busy";
  }
}

export const microphone = new Microphone();
