//! Tests of independence.

use super::output::line;
use super::text::thousands;
use crate::table::significant;

/// The result of a test of independence; `permutations` are those that were drawn, if any were.
pub(crate) fn tested(
    statistic: f64,
    rows: usize,
    kernels: &str,
    p: f64,
    permutations: Option<usize>,
) -> anyhow::Result<()> {
    let rows = thousands(rows as u64);
    Ok(line(&format!("HSIC = {statistic} (1/m^2, {rows} rows{kernels}), {}", p_value(p, permutations)))?)
}

/// A p-value and what it comes from. One of permutations is never less than that of the samples as they are among them.
fn p_value(p: f64, permutations: Option<usize>) -> String {
    let told = match p {
        0.0 => "p < 1e-300".to_owned(),
        p if p < 1e-4 => format!("p = {p:.0e}"),
        p => format!("p = {}", significant(p, 2)),
    };
    match permutations {
        None => format!("{told} (gamma approximation)"),
        Some(drawn) => {
            let least = if p * (drawn + 1) as f64 <= 1.0 + 1e-9 { "the least of " } else { "" };
            let plural = if drawn == 1 { "" } else { "s" };
            format!("{told} ({least}{} permutation{plural})", thousands(drawn as u64))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p_value_has_the_digits_that_say_something() {
        for (p, permutations, told) in [
            (1.0 / 1001.0, Some(1000), "p = 0.001 (the least of 1,000 permutations)"),
            (2.0 / 1001.0, Some(1000), "p = 0.002 (1,000 permutations)"),
            (0.5, Some(1), "p = 0.5 (the least of 1 permutation)"),
            (1.0, Some(99), "p = 1 (99 permutations)"),
            (0.043_21, None, "p = 0.043 (gamma approximation)"),
            (6.02e-14, None, "p = 6e-14 (gamma approximation)"),
            (0.0, None, "p < 1e-300 (gamma approximation)"),
        ] {
            assert_eq!(p_value(p, permutations), told);
        }
    }
}
