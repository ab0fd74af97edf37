#!/usr/bin/env bash
# A trained language model on the machine `tiny`: it reads a sentence and ends it. `tilewright` is the built program.
# Expect "42 coins." at the end of the first line, then the report; program, listing and hardware lie in the folder.
set -euo pipefail
tilewright=${TILEWRIGHT:-tilewright}
out=${1:-out/trained-llama}

"$tilewright" run trained-llama --machine tiny --scheme w2a8kv4 \
    --prompt "Ada has 12 coins and gets 30 more. Now Ada has " --out "$out" --rtl

# The same program, instruction by instruction, as the simulator times it when 20 tokens are cached (a name that does not end in
# .tsv gives a trace for ui.perfetto.dev).
"$tilewright" sim "$out" --position 20 --tokens 65 --trace "$out.trace.tsv"
head -3 "$out.trace.tsv"
