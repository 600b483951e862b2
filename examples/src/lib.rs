//! What a user of the library writes: see the files in `examples/`, each with what it prints in `docs/library.md`.
