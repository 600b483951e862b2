#!/usr/bin/env bash
# A comparison by GNU parallel, wave by wave: bash parallel.sh HSIC FOLDER
set -euo pipefail
hsic=$(realpath "$1")
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$2/bin"
ln -sf "$hsic" "$2/bin/hsic"
cd "$2"
export PATH="$PWD/bin:$PATH"
compare="hsic compare --methods hsic,frozen --seeds 2 --budget 4epochs --train-size 1000 --test-size 300 --widths 32x2
    --batch-size 50 --threads 1"
$compare --output whole --quiet > whole.txt
JOBS=2 sh "$here/waves.sh" "sh $here/parallel.sh" $compare --output parts > parts.txt
bash "$here/trial/same.sh" whole/runs parts/runs "$(ls -d whole/runs/*/ | wc -l)"
