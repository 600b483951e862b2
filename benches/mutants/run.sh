#!/usr/bin/env bash
# Whether tests see faults: cargo-mutants changes one place of a crate, and tests must fail. `bash benches/mutants/run.sh` takes a
# sample of each crate, `... hsic-nn` that of one. A crate's own tests come first; a mutant that they miss meets those of crates
# above, one crate after the other, until one fails. What came of each stands in FOLDER/CRATE.tsv as soon as it is known, and the
# next call goes on behind it. FOLDER is benches/mutants/work, or HSIC_MUTANTS; the first call clones the last commit into it, and
# places are changed there. To begin anew on a later commit, delete FOLDER/tree and FOLDER/*.tsv. Ends with a table.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Every N-th mutant of cargo-mutants' list, from the first: about 40 of each crate, and 16 of the one whose tests take longest.
# Primes, as many places have a pair of mutants.
declare -A every=([hsic]=73 [hsic-nn]=79 [hsic-learn]=71 [hsic-bottleneck]=151)
# Whose tests meet what a crate's own have missed.
declare -A above=([hsic]="hsic-nn hsic-learn hsic-bottleneck hsic-cli" [hsic-nn]="hsic-learn hsic-bottleneck hsic-cli"
    [hsic-learn]="hsic-bottleneck hsic-cli" [hsic-bottleneck]="hsic-lab hsic-cli")
# Seconds after which tests hang and the mutant is seen: several times what they take beside other work.
limit=${HSIC_MUTANTS_SECONDS:-900}
[ $# != 0 ] || set -- hsic hsic-nn hsic-learn hsic-bottleneck
for crate in "$@"; do
    [ -n "${every[$crate]:-}" ] || { echo "$crate: expected one of ${!every[*]}" >&2 && exit 2; }
done
cargo mutants --version >/dev/null || { echo "cargo-mutants: install it by cargo install cargo-mutants --locked" >&2 && exit 1; }
folder=${HSIC_MUTANTS:-benches/mutants/work}
mkdir -p "$folder"
folder=$(realpath "$folder")
if [ ! -d "$folder/tree" ]; then
    rm -rf "$folder/tree.part"
    git clone --quiet . "$folder/tree.part"
    mv "$folder/tree.part" "$folder/tree"
fi
cd "$folder/tree"
# One crate changes and all above it are compiled again, so that what the compiler keeps of them counts.
export CARGO_TARGET_DIR=$folder/target CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0
# A test that fails ends the others, where nextest runs them.
tool=cargo
! cargo nextest --version >/dev/null 2>&1 || tool=nextest
# `meets CRATE TESTS PLACE`: what becomes of the mutant at a place of the list (from 0) under the tests of one crate.
meets() {
    local out=$folder/out outcome told=0
    rm -rf "$out"
    # A call that was stopped has left its mutant there, and property tests what they failed on.
    git checkout --quiet -- .
    git clean --force -d --quiet
    # One mutant a call: as many shards as mutants.
    cargo mutants --in-place --baseline skip --package "$1" --test-package "$2" --test-tool "$tool" --timeout "$limit" \
        --shard "$3/$(wc -l <"$folder/$1.list")" --sharding round-robin \
        --output "$out" --colors never -- --tests >"$folder/last.log" 2>&1 || told=$?
    for outcome in caught missed timeout unviable; do
        [ -s "$out/mutants.out/$outcome.txt" ] || continue
        # What the compiler did not refuse itself (a full disk, a signal) says nothing of the mutant.
        [ "$outcome" != unviable ] || grep -q '^error\[E\|^error: ' "$out"/mutants.out/log/*.log || break
        echo "$outcome"
        return
    done
    echo "$1, mutant $3: cargo-mutants ended with $told and without a word on it: see $folder/last.log" >&2
    return 1
}
# `pass CRATE TESTS`: tries what is neither decided nor has met these tests.
pass() {
    local crate=$1 tests=$2 place name started outcome
    while read -r place name <&3; do
        ! place=$place tests=$tests awk -F '\t' '
            $4 == ENVIRON["place"] && ($1 != "missed" || $2 == ENVIRON["tests"]) { behind = 1 }
            END { exit !behind }' "$folder/$crate.tsv" || continue
        started=$SECONDS
        outcome=$(meets "$crate" "$tests" "$place")
        printf '%s\t%s\t%s\t%s\t%s\n' "$outcome" "$tests" $((SECONDS - started)) "$place" "$name" | tee -a "$folder/$crate.tsv"
    done 3< <(sample "$crate")
}
# `sample CRATE`: the places of the crate's sample and their mutants. It is the one that `cargo mutants --shard 0/N --sharding
# round-robin` takes.
sample() {
    awk -v every="${every[$1]}" '(NR - 1) % every == 0 { print NR - 1, $0 }' "$folder/$1.list"
}
for crate in "$@"; do
    cargo mutants --list --package "$crate" --colors never >"$folder/$crate.list"
    touch "$folder/$crate.tsv"
done
for crate in "$@"; do
    pass "$crate" "$crate"
done
for crate in "$@"; do
    for tests in ${above[$crate]}; do
        pass "$crate" "$tests"
    done
done
# What is known by now; a mutant counts by what came of it last.
echo "| crate | listed | sampled | viable | caught by its own tests | by tests above | missed | not tried |"
echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
for crate in "$@"; do
    awk -F '\t' -v crate="$crate" -v listed="$(wc -l <"$folder/$crate.list")" -v sampled="$(sample "$crate" | wc -l)" '
        { outcome[$4] = $1; tests[$4] = $2 }
        END {
            for (name in outcome) {
                if (outcome[name] != "unviable") viable++
                if (outcome[name] == "missed") missed++
                else if (outcome[name] != "unviable") seen[tests[name] == crate]++
            }
            printf "| %s | %d | %d | %d | %d | %d | %d | %d |\n", crate, listed, sampled, viable, seen[1], seen[0], missed,
                sampled - length(outcome)
        }' "$folder/$crate.tsv"
done
