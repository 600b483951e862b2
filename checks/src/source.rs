//! The text of a file as far as its imports are concerned.

/// The text without comments, strings, characters and items for tests.
#[must_use]
pub(crate) fn code(text: &str) -> String {
    without_tests(&without_comments(text))
}

/// Replaces comments by nothing and strings by empty ones.
fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if let Some(length) = raw_string(rest, kept.as_bytes().last().copied()) {
            kept.push_str("\"\"");
            at += length;
        } else if rest.starts_with('"') {
            kept.push_str("\"\"");
            at += string(rest);
        } else if let Some(escape) = rest.strip_prefix("'\\") {
            at += escape.char_indices().skip(1).find(|&(_, c)| c == '\'').map_or(rest.len(), |(end, _)| end + 3);
        } else if rest.starts_with('\'') && rest.chars().nth(2) == Some('\'') {
            at += rest.chars().take(3).map(char::len_utf8).sum::<usize>();
        } else {
            let Some(c) = rest.chars().next() else { break };
            kept.push(c);
            at += c.len_utf8();
        }
    }
    kept
}

/// Length of the string that `rest` begins with.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of the raw string that `rest` begins with, if it begins with one.
fn raw_string(rest: &str, before: Option<u8>) -> Option<usize> {
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let start = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = start.len() - start.trim_start_matches('#').len();
    let body = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |found| found + end.len());
    Some(rest.len() - body.len() + length)
}

/// How attributes begin that keep an item for tests.
const TESTS: [&str; 2] = ["#[cfg(test)]", "#[cfg(all(test,"];

/// Cuts out each item that one of `TESTS` stands before.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((start, mark)) = TESTS.iter().filter_map(|mark| Some((rest.find(mark)?, mark))).min() {
        kept.push_str(&rest[..start]);
        rest = &rest[start + mark.len()..];
        rest = &rest[item(rest)..];
    }
    kept + rest
}

/// Length of the item that `text` begins with: up to its semicolon or the end of its braces.
fn item(text: &str) -> usize {
    let mut depth = 0usize;
    for (index, c) in text.char_indices() {
        match c {
            ';' if depth == 0 => return index + 1,
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// Paths of a `use` tree without the braces, each with the name that it is known by: `a::{b, c as d}` is `a::b` known as
/// `b` and `a::c` known as `d`. A glob is known as `*`.
#[must_use]
pub(crate) fn paths(tree: &str) -> Vec<(Vec<String>, String)> {
    let mut all = Vec::new();
    collect(tree.trim().trim_start_matches("::"), &[], &mut all);
    all
}

fn collect(tree: &str, prefix: &[String], all: &mut Vec<(Vec<String>, String)>) {
    let tree = tree.trim();
    let (head, braces) = match tree.find('{') {
        Some(open) => {
            (tree[..open].trim().trim_end_matches("::"), Some(&tree[open + 1..tree.rfind('}').unwrap_or(tree.len())]))
        }
        None => (tree, None),
    };
    let (head, alias) = match head.split_once(" as ") {
        Some((head, alias)) => (head, Some(alias.trim().to_owned())),
        None => (head, None),
    };
    let mut path = prefix.to_vec();
    path.extend(head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
    match braces {
        Some(inside) => split(inside).into_iter().for_each(|part| collect(part, &path, all)),
        None => {
            // `a::{self}` is `a`.
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            if let Some(last) = path.last().cloned() {
                all.push((path, alias.unwrap_or(last)));
            }
        }
    }
}

/// Parts of a list at its outermost commas.
fn split(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0usize, 0);
    for (index, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&list[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_tests_are_left_out() {
        let text = "use a::b; // use c::d\n/// [`e::f`]\nlet x = \"use g\"; let y = r#\"use \"h\"\"#; let q = '\"';\n#[cfg(test)]\nmod tests { use i::j; fn f() {} }\n#[cfg(all(test, unix))]\nmod more { use l::m; }\nuse k;";
        let code = code(text);
        for gone in ["c::d", "e::f", "use g", "use \"h", "i::j", "l::m"] {
            assert!(!code.contains(gone), "{gone} in {code}");
        }
        assert!(code.contains("use a::b;") && code.contains("use k;"), "{code}");
    }

    #[test]
    fn a_tree_is_its_paths() {
        let found: Vec<String> = paths("crate::a::{self, b::C, d::{E as F, *}}")
            .into_iter()
            .map(|(path, name)| path.join("::") + " " + &name)
            .collect();
        assert_eq!(found, ["crate::a a", "crate::a::b::C C", "crate::a::d::E F", "crate::a::d::* *"]);
    }
}
