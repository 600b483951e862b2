//! Whether a network knows more than which class is the largest.

use hsic_learn::judge::assignment::Confusion;

/// The least probability of so many right answers by chance at which they are still taken for chance.
const LEVEL: f64 = 0.01;

/// What naming the largest class for every sample comes to, where a network is not clearly better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Guess {
    /// The largest class.
    pub(crate) class: usize,
    /// Its share of the rows.
    pub(crate) share: f64,
    /// Rows that are judged.
    pub(crate) rows: u64,
}

/// The guess that a network is not clearly better than, if it is not: so many right answers or more would come up with a
/// probability of 1 % at least if each were right with the probability of the largest class (binomial, one-sided).
pub(crate) fn no_better_than(table: &Confusion) -> Option<Guess> {
    let of_class = |row: &Vec<u64>| row.iter().sum::<u64>();
    let rows: u64 = table.counts.iter().map(of_class).sum();
    // Of two that are as large the first.
    let (class, largest) =
        table.counts.iter().map(of_class).enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let right: u64 = table.counts.iter().enumerate().filter_map(|(class, row)| row.get(class)).sum();
    let guess = Guess { class, share: largest as f64 / rows as f64, rows };
    (rows > 0 && upper_tail(right, rows, guess.share) >= LEVEL).then_some(guess)
}

/// Probability of `right` or more of `rows` that are each right with probability `share`. Up to the mean, where it is about
/// a half or more, 1.
fn upper_tail(right: u64, rows: u64, share: f64) -> f64 {
    let (k, n) = (right as f64, rows as f64);
    if k <= n * share {
        return 1.0;
    }
    // The first term by its logarithm, which no power can underflow; each further one from the one before, ever smaller.
    let choices: f64 = (1..=right).map(|i| ((n - k + i as f64) / i as f64).ln()).sum();
    let mut term = (choices + k * share.ln() + (n - k) * (-share).ln_1p()).exp();
    let odds = share / (1.0 - share);
    let mut sum = 0.0;
    for j in right..=rows {
        sum += term;
        term *= (n - j as f64) / (j as f64 + 1.0) * odds;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_that_of_the_binomial() {
        // Of 10 fair coins 8 or more: (45 + 10 + 1) / 1024. The others by sums of exact integers times powers of 50
        // decimal digits.
        assert!((upper_tail(8, 10, 0.5) - 56.0 / 1024.0).abs() < 1e-15);
        for (right, rows, share, expected) in [
            (25, 200, 0.1, 0.144_894_023_489_047_9),
            (31, 200, 0.1, 0.009_508_311_946_973_3),
            (1200, 10_000, 0.1135, 0.021_638_764_805_863_9),
            (10, 10, 0.3, 5.904_9e-6),
        ] {
            let found = upper_tail(right, rows, share);
            // 10,000 logarithms in the first term.
            assert!((found / expected - 1.0).abs() < 1e-11, "{right} of {rows} at {share}: {found}");
        }
        assert_eq!((upper_tail(0, 10, 0.5), upper_tail(10, 10, 1.0), upper_tail(0, 5, 0.0)), (1.0, 1.0, 1.0));
        // Far beyond what a power of the share can be told in.
        assert_eq!(upper_tail(90_000, 100_000, 0.1), 0.0);
    }

    #[test]
    fn a_network_is_clearly_better_than_its_largest_class_or_told() {
        // 60 rows, 30 of them of class 1.
        let table = |right: [u64; 3]| Confusion {
            counts: vec![
                vec![right[0], 20 - right[0], 0],
                vec![0, right[1], 30 - right[1]],
                vec![10 - right[2], 0, right[2]],
            ],
        };
        let guess = Some(Guess { class: 1, share: 0.5, rows: 60 });
        // Everything is named class 1; and as many right as a fair coin reaches with 1.4 %, then with 0.67 %.
        assert_eq!(no_better_than(&table([0, 30, 0])), guess);
        assert_eq!(no_better_than(&table([10, 25, 4])), guess);
        assert_eq!(no_better_than(&table([10, 25, 5])), None);
        assert_eq!(no_better_than(&table([20, 30, 10])), None);
        assert_eq!(no_better_than(&Confusion { counts: vec![vec![0; 2]; 2] }), None);
    }
}
