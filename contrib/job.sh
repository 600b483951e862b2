#!/bin/sh
# Carries out one training of a plan: sh job.sh PLAN NUMBER
#
# PLAN holds lines of `hsic compare --plan` or `hsic reproduce --plan`, NUMBER is a line of it, from 1. The shell becomes
# the training, so that a signal of a scheduler reaches it: it saves what it has done and ends with 130.
set -eu
line=$(sed -n "${2}p" "$1")
[ -n "$line" ] || { echo "job.sh: $1 has no line $2" >&2; exit 2; }
# The text of a JSON string, whose escapes are a backslash and the letter itself.
command=$(printf '%s\n' "$line" | sed -E 's/.*"command":"(([^"\\]|\\.)*)".*/\1/; s/\\(.)/\1/g')
eval "exec $command --quiet"
