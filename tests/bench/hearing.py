"""A MOS for what crates/media/benches/hearing.rs wrote: PESQ (ITU-T P.862.1 for PCMU, P.862.2 for Opus), by the
`pesq` package, which wraps the ITU's own code. Prints a table for RESULTS.md: mean and worst of all recordings.
"""

import collections
import pathlib
import sys
import wave

import numpy
import pesq
from scipy.signal import resample_poly

RATE = 16_000


def read(path):
    with wave.open(str(path), "rb") as wav:
        samples = numpy.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(float)
        rate = wav.getframerate()
    return samples if rate == RATE else resample_poly(samples, RATE, rate)


def mos(speech, heard, codec):
    # The mean is taken off and the level kept: P.862 levels by itself.
    return pesq.pesq(RATE, speech, heard, "nb" if codec == "PCMU" else "wb")


def main(folder):
    folder = pathlib.Path(folder)
    speech = {p.name.split("-")[0]: read(p) for p in folder.glob("*-speech.wav")}
    scores = collections.defaultdict(list)
    for path in sorted(folder.glob("*.wav")):
        clip, codec, *rest = path.stem.split("-")
        if codec == "speech":
            continue
        network = "-".join(rest[:-2]) or "codec alone"
        scores[codec, network, rest[-1]].append(mos(speech[clip], read(path), codec))
    print("| codec | network | codec alone | Havre, mean (worst) | neteq, mean (worst) |")
    print("|---|---|---|---|---|")
    for codec in sorted({key[0] for key in scores}):
        alone = numpy.mean(scores[codec, "codec alone", "codec"])
        for network in ["clean", "loss-5", "jitter-40", "both", "worse"]:
            cells = []
            for who in ["havre", "neteq"]:
                values = scores[codec, network, who]
                cells.append(f"{numpy.mean(values):.2f} ({min(values):.2f})" if values else "-")
            print(f"| {codec} | {network} | {alone:.2f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1])
