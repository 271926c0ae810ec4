// The ring: two soft notes every two seconds, made here, so that nothing has to be loaded to be heard.

const NOTES = [587.3, 783.9];
const EVERY = 2_000;

let context: AudioContext | null = null;
let timer: ReturnType<typeof setInterval> | undefined;

/** Browsers let a page sound only after somebody has touched it. */
export function unlock() {
  context ??= new AudioContext();
  if (context.state === "suspended") void context.resume();
}

/** Whether a ring would be heard. */
export function audible(): boolean {
  return context?.state === "running";
}

export function ring() {
  if (timer) return;
  chime();
  timer = setInterval(chime, EVERY);
}

/** Once, to hear how it sounds: a ring that begins meanwhile goes on. */
export function chime() {
  unlock();
  NOTES.forEach((frequency, place) => note(frequency, place * 0.22));
}

export function hush() {
  clearInterval(timer);
  timer = undefined;
}

function note(frequency: number, after: number) {
  if (!context) return;
  const start = context.currentTime + after;
  const tone = context.createOscillator();
  const volume = context.createGain();
  tone.frequency.value = frequency;
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(0.18, start + 0.03);
  volume.gain.exponentialRampToValueAtTime(0.001, start + 0.6);
  tone.connect(volume).connect(context.destination);
  tone.start(start);
  tone.stop(start + 0.65);
}
