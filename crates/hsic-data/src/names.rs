//! Names as users write them: case is forgiven, and one that is not known is answered with the nearest.

/// Whether a user means a known name, whatever the case.
#[must_use]
pub fn same(known: &str, given: &str) -> bool {
    known.eq_ignore_ascii_case(given)
}

/// What may be given, with the name that was meant if one is near: `a, b, c; did you mean b?`.
#[must_use]
pub fn one_of(given: &str, known: &[&str]) -> String {
    format!("{}{}", known.join(", "), did_you_mean(given, known))
}

/// The end of a sentence that asks whether the nearest name was meant; empty if none is near.
#[must_use]
pub fn did_you_mean(given: &str, known: &[&str]) -> String {
    nearest(given, known).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// The known name that is nearest to a given one, if a third of its letters at the most are others: by case, hyphens,
/// letters that are missing, added, changed or in the place of their neighbor. One that begins as given is near, too.
#[must_use]
pub fn nearest<'n>(given: &str, known: &[&'n str]) -> Option<&'n str> {
    let plain = |name: &str| -> Vec<char> {
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let given = plain(given);
    let mut best: Option<(usize, &'n str)> = None;
    for &name in known {
        let letters = plain(name);
        let distance = distance(&given, &letters);
        let begun = given.len() >= 3 && letters.starts_with(&given);
        let near = begun || 3 * distance <= given.len().max(letters.len());
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Letters to be added, taken, changed or swapped with their neighbor (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_changes() {
        let of = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        // kitten to sitting is the textbook's; a swap is one change.
        assert_eq!([of("kitten", "sitting"), of("mnits", "mnist"), of("", "abc"), of("same", "same")], [3, 1, 3, 0]);
    }

    #[test]
    fn the_nearest_name_is_found_and_nothing_far_is() {
        let sets = ["digits", "mnist", "fashion-mnist", "kmnist", "cifar10", "cifar100"];
        for (given, expected) in [
            ("mnits", Some("mnist")),
            ("FashionMNIST", Some("fashion-mnist")),
            ("fashion", Some("fashion-mnist")),
            ("CIFAR-10", Some("cifar10")),
            ("cifar", Some("cifar10")),
            ("digit", Some("digits")),
            ("imagenet", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, &sets), expected, "{given}");
        }
        assert_eq!(one_of("backprob", &["hsic", "backprop"]), "hsic, backprop; did you mean backprop?");
        assert_eq!(one_of("magic", &["hsic", "backprop"]), "hsic, backprop");
        assert!(same("mnist", "MNIST") && !same("mnist", "mnis"));
    }
}
