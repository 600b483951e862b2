#!/bin/sh
# Carries out a wave by GNU parallel: sh waves.sh 'sh contrib/parallel.sh' hsic compare OPTIONS...
#
# JOBS trainings run at once (default: one a core; give hsic --threads 1). With SSHLOGIN=a,b,: they run on these machines,
# which see the same folder at the same path.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
seq "$2" | parallel --jobs "${JOBS:-100%}" --retries 3 ${SSHLOGIN:+--sshlogin "$SSHLOGIN" --workdir "$PWD"} \
    sh "$here/job.sh" "$1" '{}'
