#!/usr/bin/env bash
# One network over processes by MPI: lints, tests, steps and, where the machine has network namespaces, two machines. Installs
# Open MPI from Debian, as root, and prints what it runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_INCREMENTAL=0 DEBIAN_FRONTEND=noninteractive
. .ci/part
part apt-get update -qq
part apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 libopenmpi-dev openmpi-bin libclang-dev iproute2 procps
part cargo build --release -p hsic-cli
hsic=$PWD/target/release/hsic
engines=$PWD/engines/Cargo.toml
part cargo clippy --manifest-path "$engines" --all-targets -- -D warnings
part cargo test --manifest-path "$engines"
part cargo build --release --manifest-path "$engines"
engine=$PWD/engines/target/release/hsic-mpi
part bash engines/trial/steps.sh "$engine" "$work/steps"
if ip netns add hsic-probe 2> "$work/netns.log"; then
    ip netns del hsic-probe
    part bash engines/trial/netns.sh "$hsic" "$engine" "$work/netns"
else
    echo "== no network namespaces on this machine ($(cat "$work/netns.log")): two machines were not tried"
fi
rm -r "$work"
