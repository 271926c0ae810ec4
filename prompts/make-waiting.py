#!/usr/bin/env python3
"""Makes sounds/waiting.wav and sounds/tick.wav.

The waiting sound is a slow pad with soft bells in a pentatonic scale: no words, no beat, no phrase to wait for. It loops
without a seam and without an audible repetition: every note is an event on a circle of LOOP seconds (a tail that passes
the end goes on at the beginning), and the layers divide the circle into counts that have no common factor, so no two
layers ever meet in the same way again before the whole loop is over. All notes lie between 300 and 1,000 Hz with their
partials below 3,400 Hz, so a telephone carries the whole of it. No key of a telephone can be heard in it: the upper tone
of a key could only be a partial, 12 dB or more under its note, and a detector wants both tones within 8 dB.
"""

import math
import random

import audio

LOOP = 200.0
# Two LU under the voice: it is background, and it must be there on a poor line.
PAD_LUFS = -24.5
# G major pentatonic (G A B D E) from E4 up: below it a telephone cuts.
E4, G4, A4, B4, D5, E5, G5, A5, B5 = 329.63, 392.00, 440.00, 493.88, 587.33, 659.26, 783.99, 880.00, 987.77

# (events on the circle, shift in seconds, notes in turn): the counts are pairwise coprime.
PAD_LAYERS = [
    (13, 0.0, [G4, D5, E4, B4, A4, G4, E4, D5, B4, A4, G4, E4, A4]),
    (11, 5.3, [D5, B4, G5, E5, D5, A4, B4, E5, G4, B4, D5]),
    (7, 9.1, [E5, G5, D5, B5, A5, E5, G5]),
]
BELL_LAYERS = [
    (17, 3.7, [B5, G5, E5, A5, D5]),
    (19, 8.9, [D5, E5, G5, B4]),
    (23, 1.3, [A5, E5, D5, G5, B5, B4, G5]),
]


def add(circle, start, note):
    n = len(circle)
    i = int(start * audio.RATE) % n
    for sample in note:
        circle[i] += sample
        i += 1
        if i == n:
            i = 0


def sines(partials, count):
    """Sum of (hertz, gain) sines from phase zero, by rotation: exact enough over half a minute, and quick."""
    out = [0.0] * count
    for hertz, gain in partials:
        step = complex(math.cos(2 * math.pi * hertz / audio.RATE), math.sin(2 * math.pi * hertz / audio.RATE))
        turn = complex(gain, 0)
        for i in range(count):
            out[i] += turn.imag
            turn *= step
    return out


def pad(hertz, seconds, chance):
    """A breath: one string and two fainter ones beside it, rising and falling over `seconds`.

    The fainter ones are so near (about 2 cents: one beat in two seconds) that the tone lives without trembling.
    """
    count = int(seconds * audio.RATE)
    partials = []
    for cents, gain in ((-2.1, 0.09), (0.0, 0.30), (1.9, 0.09)):
        f = hertz * 2 ** ((cents + chance.uniform(-0.4, 0.4)) / 1200)
        partials += [(f, gain), (2 * f, gain * 0.15), (3 * f, gain * 0.04)]
    tone = sines(partials, count)
    return [s * math.sin(math.pi * i / count) ** 2 for i, s in enumerate(tone)]


def bell(hertz, gain):
    """A soft bell: struck with felt, gone after seven seconds."""
    count = int(7.0 * audio.RATE)
    attack = int(0.03 * audio.RATE)
    parts = [(1.0, 1.0, 2.2), (2.0, 0.25, 1.1), (2.756, 0.10, 0.5)]
    out = [0.0] * count
    for ratio, level, decay in parts:
        if hertz * ratio > 3_300:
            continue
        fade = math.exp(-1 / (decay * audio.RATE))
        envelope = gain * level
        for i, s in enumerate(sines([(hertz * ratio, 1.0)], count)):
            out[i] += s * envelope
            envelope *= fade
    for i in range(attack):
        out[i] *= 0.5 - 0.5 * math.cos(math.pi * i / attack)
    tail = int(0.5 * audio.RATE)
    for i in range(tail):
        out[count - 1 - i] *= i / tail
    return out


def waiting():
    chance = random.Random(20190529)  # fixed: the same script gives the same sound
    circle = [0.0] * int(LOOP * audio.RATE)
    for count, shift, notes in PAD_LAYERS:
        period = LOOP / count
        for k in range(count):
            # Each breath overlaps the next by half, so the pad never falls silent.
            add(circle, shift + k * period, pad(notes[k % len(notes)], 2.2 * period, chance))
    for count, shift, notes in BELL_LAYERS:
        period = LOOP / count
        for k in range(count):
            late = chance.uniform(-0.25, 0.25) * period
            add(circle, shift + k * period + late, bell(notes[(k * 3) % len(notes)], chance.uniform(0.10, 0.22)))
    return circle


def tick():
    """A drop of wood at the start of two silent seconds: 20 ms around 1 kHz, 17 dB under a voice's peaks."""
    out = [0.0] * (2 * audio.RATE)
    for i in range(int(0.06 * audio.RATE)):
        t = i / audio.RATE
        out[i] = 0.05 * math.sin(2 * math.pi * 1_050 * t) * math.exp(-t / 0.009) * min(1.0, t / 0.001)
    return out


def main():
    clips = audio.manifest()
    for name, make in (("waiting", lambda: audio.levelled(waiting(), PAD_LUFS)), ("tick", tick)):
        file = f"sounds/{name}.wav"
        if clips.get(file, {}).get("source") == "human":
            continue
        signal = make()
        audio.write_wav(audio.HERE / file, signal)
        clips[file] = audio.entry(file, "", signal, "synthesis")
        print(f"{file:32} {clips[file]['seconds']:>7} s  {clips[file]['lufs']:>6} LUFS")
    audio.write_manifest(clips)


main()
