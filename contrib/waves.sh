#!/bin/sh
# Carries out a comparison or a reproduction in waves: sh waves.sh CARRY hsic compare OPTIONS...
#
# CARRY is a command that is given two words more: a file of the trainings that can be carried out now, a line each, and
# their number. It returns when all of them have ended, in whatever way. Those that did not finish (killed, out of time, on
# a machine that went away) are in the next wave and go on from their checkpoints. Ends when nothing is left, or after three
# waves in which nothing was finished; the tables are then made of what is there.
set -eu
carry=$1
shift
folder=$(mktemp -d "${HSIC_WAVES:-.}/waves.XXXXXX")
before=
idle=0
while [ "$idle" -lt 3 ]; do
    "$@" --plan > "$folder/all.jsonl"
    grep '"state":"ready"' "$folder/all.jsonl" > "$folder/plan.jsonl" || break
    count=$(wc -l < "$folder/plan.jsonl" | tr -d ' ')
    open=$(grep -c -E '"state":"(ready|waiting)"' "$folder/all.jsonl")
    if [ "$open" = "$before" ]; then idle=$((idle + 1)); else idle=0; fi
    before=$open
    echo "waves.sh: $count trainings of $open" >&2
    $carry "$folder/plan.jsonl" "$count" || echo "waves.sh: not all of them finished" >&2
done
rm -r "$folder"
exec "$@" --gather
