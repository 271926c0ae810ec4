#!/usr/bin/env python3
"""What spandsp (Debian's libspandsp2) makes of G.711 and G.722, for the tests in src/codec.

Writes alaw.txt and ulaw.txt beside this file (per code: what it decodes to, and the first and last sample that are
encoded as it), and prints hashes (FNV-1a, 64 bits) of speech.ulaw, each sample twice, through G.722 and back.
"""
import ctypes
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
spandsp = ctypes.CDLL("libspandsp.so.2")
for init in ("g711_init", "g722_encode_init", "g722_decode_init"):
    getattr(spandsp, init).restype = ctypes.c_void_p


def run(function, state, data, count, room):
    out = ctypes.create_string_buffer(room)
    made = getattr(spandsp, function)(ctypes.c_void_p(state), out, data, count)
    return out.raw, made


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


samples = struct.pack("<65536h", *range(-32768, 32768))
for mode, name in ((0, "alaw"), (1, "ulaw")):
    coded, _ = run("g711_encode", spandsp.g711_init(None, mode), samples, 65536, 65536)
    decoded, _ = run("g711_decode", spandsp.g711_init(None, mode), bytes(range(256)), 256, 512)
    with open(HERE / f"{name}.txt", "w") as table:
        for code, value in enumerate(struct.unpack("<256h", decoded)):
            of = [sample - 32768 for sample, c in enumerate(coded) if c == code]
            assert of == list(range(of[0], of[-1] + 1)) if of else True
            print(code, value, *((of[0], of[-1]) if of else ()), file=table)

speech = (HERE / "speech.ulaw").read_bytes()
heard, _ = run("g711_decode", spandsp.g711_init(None, 1), speech, len(speech), 2 * len(speech))
twice = b"".join(heard[i : i + 2] * 2 for i in range(0, len(heard), 2))
coded, made = run("g722_encode", spandsp.g722_encode_init(None, 64000, 0), twice, len(twice) // 2, len(twice))
coded = coded[:made]
back, made = run("g722_decode", spandsp.g722_decode_init(None, 64000, 0), coded, len(coded), 8 * len(coded))
print(f"G.722: {len(coded)} bytes {fnv(coded):#018x}, {made} samples {fnv(back[: 2 * made]):#018x}")
