//! The modules of a crate, and what each of their files imports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::source::{code, paths};
use crate::writing::writes;

/// A module: the path of names that leads to it from the crate.
type Name = Vec<String>;

/// One file's import of another of its crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The file that imports, from the crate's `src` folder.
    pub from: String,
    /// The file that defines what is imported.
    pub to: String,
    /// What is imported, as it is written.
    pub path: String,
}

/// A crate of the workspace.
#[derive(Debug)]
pub struct Crate {
    /// Name of its folder.
    pub name: String,
    modules: BTreeMap<Name, Module>,
}

#[derive(Debug)]
struct Module {
    file: String,
    code: String,
    /// What it exports from elsewhere: paths and the names they are known by.
    exports: Vec<(Vec<String>, String)>,
}

impl Crate {
    /// Reads the sources of the crate in `folder`.
    ///
    /// # Errors
    /// What the system says of a file that cannot be read.
    pub fn read(folder: &Path) -> std::io::Result<Self> {
        let source = folder.join("src");
        let root = ["lib.rs", "main.rs"].into_iter().map(|name| source.join(name)).find(|path| path.exists());
        let mut found = Self {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            modules: BTreeMap::new(),
        };
        if let Some(root) = root {
            found.add(&source, &root, Vec::new())?;
        }
        Ok(found)
    }

    /// Adds a module and those that it declares in files of their own.
    fn add(&mut self, source: &Path, file: &Path, name: Name) -> std::io::Result<()> {
        let code = code(&std::fs::read_to_string(file)?);
        let mut exports = Vec::new();
        for (public, tree) in uses(&code) {
            if public {
                exports.extend(paths(tree));
            }
        }
        for child in declared(&code) {
            let mut folder = source.to_owned();
            folder.extend(&name);
            let places: [PathBuf; 2] = [folder.join(format!("{child}.rs")), folder.join(&child).join("mod.rs")];
            if let Some(place) = places.into_iter().find(|place| place.exists()) {
                let mut own = name.clone();
                own.push(child);
                self.add(source, &place, own)?;
            }
        }
        let file = file.strip_prefix(source).unwrap_or(file).to_string_lossy().into_owned();
        self.modules.insert(name, Module { file, code, exports });
        Ok(())
    }

    /// What each file calls to write to the disk: the file and the call, as the standard library names it.
    #[must_use]
    pub fn writes(&self) -> Vec<(String, &'static str)> {
        let mut found = Vec::new();
        for module in self.modules.values() {
            let trees = uses(&module.code).into_iter().flat_map(|(_, tree)| paths(tree));
            let imported: Vec<String> = trees.map(|(path, _)| path.join("::")).collect();
            found.extend(writes(&module.code, &imported).into_iter().map(|call| (module.file.clone(), call)));
        }
        found
    }

    /// Number of files.
    #[must_use]
    pub fn files(&self) -> usize {
        self.modules.len()
    }

    /// All imports between files, each pair of files once.
    #[must_use]
    pub fn imports(&self) -> Vec<Import> {
        let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
        for (name, module) in &self.modules {
            for path in self.mentioned(name, module) {
                let Some(target) = self.resolve(name, &path, 0) else { continue };
                let file = &self.modules[&target].file;
                if *file != module.file {
                    found.entry((module.file.clone(), file.clone())).or_insert_with(|| path.join("::"));
                }
            }
        }
        found.into_iter().map(|((from, to), path)| Import { from, to, path }).collect()
    }

    /// The arrows between the crate's top-level modules, each once.
    #[must_use]
    pub fn rooms(&self) -> Vec<(String, String)> {
        let room = |file: &str| file.split('/').next().unwrap_or(file).trim_end_matches(".rs").to_owned();
        let arrows = self.imports().into_iter().map(|import| (room(&import.from), room(&import.to)));
        // The root re-exports and declares; it is no room.
        let between = arrows
            .filter(|(from, to)| from != to && ![from, to].iter().any(|room| ["lib", "main"].contains(&&***room)));
        between.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Paths that a module mentions, but for what it only hands on.
    fn mentioned(&self, name: &Name, module: &Module) -> BTreeSet<Vec<String>> {
        let mut all = BTreeSet::new();
        let code = without_uses(&module.code);
        for (public, tree) in uses(&module.code) {
            // What a file hands on is an import where the file uses it itself.
            let used = |known: &str| !public || word(&code, known).is_some();
            all.extend(paths(tree).into_iter().filter(|(_, known)| used(known)).map(|(path, _)| path));
        }
        let children: Vec<&String> = self
            .modules
            .keys()
            .filter(|other| other.len() == name.len() + 1 && other.starts_with(name))
            .filter_map(|other| other.last())
            .collect();
        for path in inline(&code) {
            let first = &path[0];
            if ["crate", "super", "self"].contains(&first.as_str()) || children.contains(&first) {
                all.insert(path);
            }
        }
        all
    }

    /// The module whose file defines what a path names, seen from `here`; `None` if it is of another crate.
    fn resolve(&self, here: &Name, path: &[String], depth: usize) -> Option<Name> {
        if depth > 16 {
            return None;
        }
        let mut at = here.clone();
        let mut rest = path;
        match path.first().map(String::as_str)? {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            first => {
                let mut child = here.clone();
                child.push(first.to_owned());
                if !self.modules.contains_key(&child) {
                    return None;
                }
                at = child;
            }
        }
        rest = &rest[1..];
        while rest.first().is_some_and(|part| part == "super") {
            at.pop();
            rest = &rest[1..];
        }
        while let Some(part) = rest.first() {
            let mut child = at.clone();
            child.push(part.clone());
            if self.modules.contains_key(&child) {
                at = child;
                rest = &rest[1..];
                continue;
            }
            // An export of this name may lead on.
            for (export, known) in &self.modules.get(&at)?.exports {
                if known == part || known == "*" {
                    let mut whole = export.clone();
                    if known == "*" {
                        whole.pop();
                        whole.push(part.clone());
                    }
                    whole.extend_from_slice(&rest[1..]);
                    if let Some(target) = self.resolve(&at, &whole, depth + 1) {
                        return Some(target);
                    }
                    if known == part {
                        // It is of another crate.
                        return None;
                    }
                }
            }
            break;
        }
        self.modules.contains_key(&at).then_some(at)
    }
}

/// The `use` items of a file: whether they are exports, and their trees.
fn uses(code: &str) -> Vec<(bool, &str)> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = keyword(rest, "use") {
        let end = rest[start..].find(';').map_or(rest.len(), |end| start + end);
        let before = rest[..start].trim_end();
        let public = before.ends_with("pub")
            || (before.ends_with(')')
                && before.rfind("pub(").is_some_and(|at| !before[at..].contains(['\n', ';', '}'])));
        found.push((public, rest[start + 3..end].trim()));
        rest = &rest[end..];
    }
    found
}

fn without_uses(code: &str) -> String {
    let (mut kept, mut rest) = (String::new(), code);
    while let Some(start) = keyword(rest, "use") {
        let end = rest[start..].find(';').map_or(rest.len(), |end| start + end);
        kept.push_str(&rest[..start]);
        rest = &rest[end..];
    }
    kept + rest
}

/// Where a name stands by itself.
fn word(text: &str, word: &str) -> Option<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|&at| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

/// Where a keyword stands by itself, a blank after it.
fn keyword(text: &str, word: &str) -> Option<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        !text[..at].ends_with(part)
            && !text[at + word.len()..].starts_with(part)
            && text[at + word.len()..].starts_with([' ', '\n'])
    })
}

/// Modules that a file declares.
fn declared(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = keyword(rest, "mod") {
        rest = &rest[start + 3..];
        if let Some(end) = rest.find([';', '{'])
            && rest[end..].starts_with(';')
        {
            found.push(rest[..end].trim().to_owned());
        }
    }
    found
}

/// Paths of two names and more that stand in the code.
fn inline(code: &str) -> Vec<Vec<String>> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("::") {
        let start = rest[..at].char_indices().rev().take_while(|&(_, c)| part(c)).last().map_or(at, |(index, _)| index);
        let length = rest[start..].find(|c| !part(c) && c != ':').unwrap_or(rest.len() - start);
        let path: Vec<String> = rest[start..start + length]
            .split("::")
            .filter(|name| !name.is_empty() && !name.contains(':'))
            .map(str::to_owned)
            .collect();
        if path.len() >= 2 && start < at {
            found.push(path);
        }
        rest = &rest[(start + length).max(at + 2)..];
    }
    found
}
