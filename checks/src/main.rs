//! Prints the imports between the files of a crate: `cargo run -p checks [-- CRATE]`, all crates without a name. With
//! a name every arrow is printed and every call that writes to the disk, else the circles and the numbers.

use std::io::Write;
use std::path::Path;

use checks::{Crate, circles};

fn main() -> std::io::Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let asked = std::env::args().nth(1);
    let mut out = std::io::stdout().lock();
    for entry in std::fs::read_dir(workspace.join("crates"))? {
        let found = Crate::read(&entry?.path())?;
        if asked.as_ref().is_some_and(|asked| *asked != found.name) {
            continue;
        }
        let imports = found.imports();
        if asked.is_some() {
            for import in &imports {
                writeln!(out, "{} -> {} ({})", import.from, import.to, import.path)?;
            }
            for (file, call) in found.writes() {
                writeln!(out, "{file} writes by {call}")?;
            }
        }
        let files: Vec<(String, String)> = imports.into_iter().map(|import| (import.from, import.to)).collect();
        let (of_files, rooms) = (circles(&files), found.rooms());
        writeln!(
            out,
            "{}: {} files, {} imports; circles of files {:?}",
            found.name,
            found.files(),
            files.len(),
            lengths(&of_files)
        )?;
        writeln!(out, "    {} arrows between top-level modules; circles {:?}", rooms.len(), lengths(&circles(&rooms)))?;
        for circle in of_files.iter().chain(&circles(&rooms)) {
            writeln!(out, "    {}", circle.join(", "))?;
        }
    }
    Ok(())
}

fn lengths(circles: &[Vec<String>]) -> Vec<usize> {
    circles.iter().map(Vec::len).collect()
}
