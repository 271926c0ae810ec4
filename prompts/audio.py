"""WAV files, loudness and the manifest, for make-voice.py and make-waiting.py. Python's standard library only.

One format everywhere: 16 kHz, mono, signed 16 bits. One loudness: TARGET_LUFS (EBU R 128, integrated). `havre prompts
check` measures again, with another implementation (the ebur128 crate).
"""

import array
import hashlib
import math
import pathlib
import sys
import tomllib
import wave

RATE = 16_000
# Speech at -23 LUFS is about -23 dBov active speech level: ITU-T P.56 networks are lined up for -26 to -20, so that
# prompts are as loud as people, and peaks of a voice keep clear of clipping in G.711.
TARGET_LUFS = -23.0
PEAK_LIMIT = 10 ** (-2.0 / 20)
HERE = pathlib.Path(__file__).resolve().parent


def read_wav(path):
    with wave.open(str(path), "rb") as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (RATE, 1, 2), path
        samples = array.array("h", wav.readframes(wav.getnframes()))
    if sys.byteorder == "big":
        samples.byteswap()
    return [s / 32768 for s in samples]


def write_wav(path, signal):
    samples = array.array("h", (max(-32768, min(32767, round(s * 32768))) for s in signal))
    if sys.byteorder == "big":
        samples.byteswap()
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(samples.tobytes())


def biquad(signal, b, a):
    x1 = x2 = y1 = y2 = 0.0
    out = []
    for x in signal:
        y = b[0] * x + b[1] * x1 + b[2] * x2 - a[0] * y1 - a[1] * y2
        x2, x1, y2, y1 = x1, x, y1, y
        out.append(y)
    return out


def loudness(signal):
    """Integrated loudness in LUFS (ITU-R BS.1770-4, mono), filters computed for RATE."""
    k = math.tan(math.pi * 1681.974450955533 / RATE)
    q, vh = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    vb = vh**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf_b = ((vh + vb * k / q + k * k) / a0, 2 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0)
    shelf_a = (2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0)
    k = math.tan(math.pi * 38.13547087602444 / RATE)
    q = 0.5003270373238773
    a0 = 1 + k / q + k * k
    weighted = biquad(biquad(signal, shelf_b, shelf_a), (1, -2, 1), (2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0))
    sums = [0.0]
    for x in weighted:
        sums.append(sums[-1] + x * x)
    block, step = RATE * 4 // 10, RATE // 10
    powers = [(sums[i + block] - sums[i]) / block for i in range(0, len(weighted) - block + 1, step)]
    level = lambda p: -0.691 + 10 * math.log10(p)
    powers = [p for p in powers if p > 0 and level(p) > -70]
    if not powers:
        return -math.inf
    gate = level(sum(powers) / len(powers)) - 10
    powers = [p for p in powers if level(p) > gate]
    return level(sum(powers) / len(powers))


def levelled(signal, lufs=TARGET_LUFS):
    """`signal` at `lufs`. Peaks above PEAK_LIMIT are bent, not cut."""
    for _ in range(3):
        gain = 10 ** ((lufs - loudness(signal)) / 20)
        signal = [soft(s * gain) for s in signal]
    return signal


def soft(s):
    knee = PEAK_LIMIT * 0.7
    if abs(s) <= knee:
        return s
    room = PEAK_LIMIT - knee
    return math.copysign(knee + room * math.tanh((abs(s) - knee) / room), s)


def catalogue():
    return tomllib.loads((HERE / "catalogue.toml").read_text(encoding="utf-8"))


def manifest():
    """The clips of manifest.toml by file."""
    path = HERE / "manifest.toml"
    if not path.exists():
        return {}
    return {clip["file"]: clip for clip in tomllib.loads(path.read_text(encoding="utf-8")).get("clip", [])}


def entry(file, text, signal, source):
    raw = (HERE / file).read_bytes()
    lufs = loudness(signal)
    return {
        "file": file,
        "source": source,
        "text_sha256": hashlib.sha256(text.encode("utf-8")).hexdigest() if text else "",
        "audio_sha256": hashlib.sha256(raw).hexdigest(),
        "seconds": f"{len(signal) / RATE:.3f}",
        "lufs": f"{max(lufs, -99.0):.1f}",
    }


def write_manifest(clips):
    lines = [
        "# Written by make.sh and by `havre prompts replace`; not by hand. What each recording is, and which text it was",
        "# made from: a text that has changed since makes its audio stale.",
        "",
    ]
    for file in sorted(clips):
        clip = clips[file]
        lines.append("[[clip]]")
        for key in ("file", "source", "text_sha256", "audio_sha256"):
            lines.append(f'{key} = "{clip[key]}"')
        for key in ("seconds", "lufs"):
            lines.append(f"{key} = {clip[key]}")
        lines.append("")
    (HERE / "manifest.toml").write_text("\n".join(lines).rstrip("\n") + "\n", encoding="utf-8")
