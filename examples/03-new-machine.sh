#!/usr/bin/env bash
# What if the machine had four token rows and a bus twice as wide? Copy a machine file, change two numbers, run again.
# Only times change: the answer is the same on every machine.
set -euo pipefail
tilewright=${TILEWRIGHT:-tilewright}
out=${1:-out}

mkdir -p "$out"
"$tilewright" machines --show tiny |
    sed -e 's/^name = .*/name = "wider"/' -e 's/^tokens = 2/tokens = 4/' -e 's/^beat_bytes = 16/beat_bytes = 32/' > "$out/wider.toml"
for machine in tiny "$out/wider.toml"; do
    "$tilewright" run --machine "$machine" | head -7
done
