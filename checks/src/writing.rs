//! Which files write to the disk: all but one room ask that room to.

/// What a file calls to write, by the names of the standard library. A handle that none of these has opened writes nothing,
/// so that methods of one are not looked for, but for those that are of files alone.
const WRITES: [&str; 18] = [
    "fs::write",
    "fs::rename",
    "fs::copy",
    "fs::hard_link",
    "fs::remove_file",
    "fs::remove_dir",
    "fs::remove_dir_all",
    "fs::create_dir",
    "fs::create_dir_all",
    "fs::set_permissions",
    "fs::OpenOptions",
    "OpenOptions::new",
    "DirBuilder::new",
    "File::create",
    "File::create_new",
    "File::options",
    ".sync_all",
    ".sync_data",
];

/// What of `code`, which is without comments, strings and tests, writes to the disk, and the paths that it imports for that.
pub(crate) fn writes(code: &str, imported: &[String]) -> Vec<&'static str> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let stands = |word: &str| {
        code.match_indices(word).any(|(at, _)| {
            let bounded = word.starts_with('.') || !code[..at].ends_with(part);
            bounded && !code[at + word.len()..].starts_with(part)
        })
    };
    let named = |word: &str| imported.iter().any(|path| *path == format!("std::{word}"));
    WRITES.into_iter().filter(|word| stands(word) || named(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::writes;
    use crate::source::code;

    #[test]
    fn calls_and_imports_that_write_are_found_and_nothing_that_reads() {
        let of = |text: &str| writes(&code(text), &[]);
        assert_eq!(of("fn a() { std::fs::write(p, b).ok(); }"), ["fs::write"]);
        assert_eq!(of("fn a() { File::options().append(true).open(p)?.sync_all() }"), ["File::options", ".sync_all"]);
        assert_eq!(of("fn a() { fs::remove_dir_all(p) }"), ["fs::remove_dir_all"]);
        assert!(
            of("fn a() { fs::read(p); File::open(p); disk::rename(a, b); my_fs::write(p); fs::write_not(p) }")
                .is_empty()
        );
        assert!(
            of("/// fs::write(p)\nfn a() { b(\"fs::write\") }\n#[cfg(test)]\nmod tests { fn a() { fs::write(p) } }")
                .is_empty()
        );
        assert_eq!(writes("rename(a, b)", &["std::fs::rename".to_owned()]), ["fs::rename"]);
        assert!(writes("File::open(p)", &["std::fs::File".to_owned()]).is_empty());
    }
}
