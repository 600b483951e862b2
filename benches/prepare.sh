# Sourced by the run.sh of each folder: goes to the root of the repository, sets `target`.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

# environment_of NAME: sets PYTHON to that of a virtual environment with benches/NAME/requirements.txt, unless given.
environment_of() {
    [[ -z ${PYTHON:-} ]] || return 0
    local wanted=benches/$1/requirements.txt venv=$target/$1-venv
    if ! cmp -s "$wanted" "$venv/installed.txt"; then
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet -r "$wanted"
        cp "$wanted" "$venv/installed.txt"
    fi
    PYTHON=$venv/bin/python
}

build() {
    cargo build --release "$@"
}

# Whether the arguments ask for programs of ours.
wants_ours() {
    local argument
    for argument in "$@"; do
        case $argument in --without-ours | --help | -h) return 1 ;; esac
    done
}
