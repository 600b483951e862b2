#!/usr/bin/env bash
# Trainings on Slurm and on Ray, with binaries killed and a node taken away. Installs that
# from Debian and PyPI, as root, prints what it runs, and takes under an hour.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_INCREMENTAL=0 DEBIAN_FRONTEND=noninteractive
. .ci/part
part apt-get update -qq
part apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 slurmctld slurmd slurm-client munge parallel procps python3-venv
part python3 -m venv "$work/venv"
part "$work/venv/bin/pip" install -q 'ray[default]==2.60.0'
part cargo build --release -p hsic-cli
hsic=$PWD/target/release/hsic
part bash contrib/trial/parallel.sh "$hsic" "$work/parallel"
part bash contrib/trial/slurm.sh "$hsic" "$work/slurm"
part "$work/venv/bin/python" contrib/trial/ray_nodes.py "$hsic" "$work/ray"
part bash contrib/trial/seconds.sh "$hsic" "$work/seconds"
rm -r "$work"
