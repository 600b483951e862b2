//! What `hsic audit` found.

use hsic_bottleneck::audit::Moved;

use super::output::line;

/// A line for each block that was moved, and what follows.
pub(crate) fn audit(method: &str, model: &str, found: &[Moved]) -> anyhow::Result<()> {
    Ok(line(&told(method, model, found))?)
}

fn told(method: &str, model: &str, found: &[Moved]) -> String {
    let named = |blocks: &[usize]| blocks.iter().map(|block| (block + 1).to_string()).collect::<Vec<_>>().join(", ");
    let mut text = String::new();
    for Moved { from, changed } in found {
        let outcome = match &changed[..] {
            [] => "no bit changed before it".to_owned(),
            [block] => format!("block {} learned otherwise", block + 1),
            blocks => format!("blocks {} learned otherwise", named(blocks)),
        };
        text.push_str(&format!("blocks from {} on moved: {outcome}\n", from + 1));
    }
    let local = found.iter().all(|moved| moved.changed.is_empty());
    let verdict = if found.is_empty() {
        "has a single block: there is nothing to move above it"
    } else if local {
        "is local: what a block learns does not depend on what lies above it"
    } else {
        "is not local"
    };
    text + &format!("{method} on {model} {verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_from_one_as_everywhere() {
        let moved = |from, changed: &[usize]| Moved { from, changed: changed.to_vec() };
        let expected = "blocks from 2 on moved: block 1 learned otherwise\n\
                        blocks from 3 on moved: blocks 1, 2 learned otherwise\nbackprop on mlp is not local";
        assert_eq!(told("backprop", "mlp", &[moved(1, &[0]), moved(2, &[0, 1])]), expected);
        let expected = "blocks from 2 on moved: no bit changed before it\nhsic on mlp is local: what a block learns does not \
                        depend on what lies above it";
        assert_eq!(told("hsic", "mlp", &[moved(1, &[])]), expected);
    }
}
