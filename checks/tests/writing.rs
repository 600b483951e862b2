//! Files are written in one room, `hsic_data::disk`, where tests record it and make it fail.

use std::path::Path;

use checks::Crate;

/// The room, and the crate that it is in.
const ROOM: (&str, &str) = ("hsic-data", "disk.rs");

#[test]
fn nothing_is_written_outside_of_one_room() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let mut folders = vec![workspace.join("python")];
    for of in ["crates", "engines"] {
        let entries = std::fs::read_dir(workspace.join(of)).expect("a folder of crates");
        folders.extend(entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.join("src").is_dir()));
    }
    let (mut outside, mut inside) = (Vec::new(), 0);
    for folder in folders {
        let found = Crate::read(&folder).expect("the sources of a crate");
        for (file, call) in found.writes() {
            if (&*found.name, &*file) == ROOM {
                inside += 1;
            } else {
                outside.push(format!("{}/src/{file} writes by {call}: expected hsic_data::disk", found.name));
            }
        }
    }
    assert!(outside.is_empty(), "{}", outside.join("\n"));
    assert!(inside > 5, "the room itself is found to write, by {inside} kinds of calls");
}
