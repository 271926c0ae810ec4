#!/usr/bin/env python3
"""Makes the placeholder voice: espeak-ng speaks each text of catalogue.toml that no person has recorded.

Recordings by people (source = "human" in manifest.toml) are never touched. Needs espeak-ng and sox; see make.sh.
"""

import pathlib
import subprocess
import tempfile

import audio

# A calm voice: slower than espeak's 175 words a minute, a little lower than its default pitch (50), with
# a short breath between words. Rates differ so that the languages take about as long for the same message.
VOICES = {
    "en": ("en-CA", ["-v", "en-us+f2", "-s", "160", "-p", "42", "-g", "1"]),
    "fr": ("fr-CA", ["-v", "fr-fr+f2", "-s", "154", "-p", "42", "-g", "1"]),
    "es": ("es", ["-v", "es-419+f2", "-s", "160", "-p", "42", "-g", "1"]),
}
# Takes the rumble below speech and the hiss above what a telephone carries, softens the formant synthesiser's edge around
# 3 kHz, and trims the ends: 60 ms before, 180 ms after, so that clips follow each other like sentences.
SOX_EFFECTS = (
    "highpass 120 equalizer 2900 1.2q -4 equalizer 220 0.8q +2 lowpass 6500 rate -v 16k "
    "silence 1 0.01 0.4% fade t 0.01 reverse silence 1 0.01 0.4% fade t 0.02 reverse pad 0.06 0.18"
).split()


def speak(text, options):
    with tempfile.TemporaryDirectory() as directory:
        raw, shaped = pathlib.Path(directory, "raw.wav"), pathlib.Path(directory, "shaped.wav")
        subprocess.run(["espeak-ng", *options, "-w", str(raw), "--stdin"], input=text.encode(), check=True)
        # -D: no dither, so that the same text gives the same bytes.
        subprocess.run(["sox", "-D", "-G", str(raw), "-b", "16", str(shaped), *SOX_EFFECTS], check=True)
        return audio.levelled(audio.read_wav(shaped))


def main():
    known, clips = audio.manifest(), {}
    for prompt, entry in audio.catalogue()["prompts"].items():
        for language, (directory, options) in VOICES.items():
            if language not in entry:
                continue
            text, file = entry[language], f"{directory}/{prompt}.wav"
            if known.get(file, {}).get("source") == "human":
                clips[file] = known[file]
                continue
            signal = speak(entry.get(f"espeak_{language}", text), options)
            audio.write_wav(audio.HERE / file, signal)
            clips[file] = audio.entry(file, text, signal, "espeak")
            print(f"{file:32} {clips[file]['seconds']:>7} s  {clips[file]['lufs']:>6} LUFS")
    kept = {file: clip for file, clip in known.items() if clip["source"] == "synthesis"}
    audio.write_manifest(clips | kept)


main()
