# Sourced by the `run.sh` of each comparison, at the root of the repository: sets `target`, and PYTHON to an interpreter
# with torch, in a virtual environment that it makes if PYTHON is not set.
target=${CARGO_TARGET_DIR:-target}
if [[ -z ${PYTHON:-} ]]; then
    requirements=benches/compare/requirements.txt
    venv=$target/compare-venv
    if ! cmp -s "$requirements" "$venv/installed.txt"; then
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet -r "$requirements"
        cp "$requirements" "$venv/installed.txt"
    fi
    PYTHON=$venv/bin/python
fi

# Whether the arguments ask for programs of ours.
wants_ours() {
    local argument
    for argument in "$@"; do
        case $argument in --without-ours | --help | -h) return 1 ;; esac
    done
}
