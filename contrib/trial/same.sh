#!/usr/bin/env bash
# Whether two folders of runs hold the same weights: bash same.sh ONE OTHER COUNT
set -euo pipefail
sums() {
    (cd "$1" && find . -name weights.safetensors | sort | xargs sha256sum)
}
sums "$1" > "$1.sha256"
sums "$2" > "$2.sha256"
[ "$(wc -l < "$1.sha256")" -eq "$3" ] || { echo "same.sh: $(wc -l < "$1.sha256") runs in $1, expected $3" >&2; exit 1; }
cmp "$1.sha256" "$2.sha256"
echo "same: $3 files of weights, SHA-256 of all of them $(sha256sum < "$2.sha256" | cut -c 1-16)"
