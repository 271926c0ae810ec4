#!/bin/sh
# Makes all audio from catalogue.toml: the placeholder voice, the waiting sound, the tick, and manifest.toml.
# Recordings by people are left alone. Half a minute. Then: havre prompts check
set -eu
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1
for tool in espeak-ng sox python3; do
    command -v "$tool" >/dev/null || { echo "make.sh needs $tool: apt-get install espeak-ng sox python3" >&2; exit 1; }
done
[ "${1:-}" = --voice-only ] || python3 make-waiting.py
python3 make-voice.py
