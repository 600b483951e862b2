//! What the columns of a table are worth.

use hsic_bottleneck::importance::{Alike, ColumnImportance, Importance, Metric};
use hsic_bottleneck::judged::Judged;

use super::output::line;
use super::runs::rows_of;
use super::tables::table;
use super::text::{counted, thousands, width, wrapped};
use crate::table::significant;

/// Pairs of columns that are named at the most.
const MOST_PAIRS: usize = 5;

/// The table of `hsic importance`, and what is to be known to read it.
pub(crate) fn importance(
    judged: &Judged,
    found: &Importance,
    shuffles: usize,
    permutations: usize,
) -> anyhow::Result<()> {
    Ok(line(told(&rows_of(judged), found, shuffles, permutations, width()).trim_end())?)
}

fn told(rows: &str, found: &Importance, shuffles: usize, permutations: usize, width: usize) -> String {
    // Accuracies are told in hundredths.
    let lost = |share: f64| match found.metric {
        Metric::Accuracy => format!("{:.2}", 100.0 * share),
        Metric::R2 => format!("{share:.3}"),
    };
    let metric = match found.metric {
        Metric::Accuracy => format!("points of accuracy ({} %) that are", lost(found.value)),
        Metric::R2 => format!("what of R2 ({}) is", lost(found.value)),
    };
    let heads = ["column", "importance", "95 % interval", "HSIC", "p"].map(str::to_owned).to_vec();
    let row = |column: &ColumnImportance| {
        let [low, high] = column.interval.map(lost);
        vec![
            column.name.clone(),
            lost(column.importance),
            format!("{low} to {high}"),
            significant(column.hsic, 2),
            significant(column.p_value, 2),
        ]
    };
    let lines: Vec<Vec<String>> = [heads].into_iter().chain(found.columns.iter().map(row)).collect();
    let mut text = table(&lines, width);
    let mut say = |told: &str| {
        text.push_str(&wrapped(told, 0, width));
        text.push('\n');
    };
    say(&format!(
        "importance: {metric} lost on {rows} when a column is dealt out anew, mean of {}; HSIC and \
         p: of the column and the target, {} on {}",
        counted(shuffles as u64, "shuffle"),
        counted(permutations as u64, "permutation"),
        counted(found.tested_rows as u64, "row"),
    ));
    if !found.alike.is_empty() {
        let pairs: Vec<String> = found.alike.iter().take(MOST_PAIRS).map(pair).collect();
        let more = match found.alike.len().saturating_sub(MOST_PAIRS) {
            0 => String::new(),
            more => format!(" and {} more", thousands(more as u64)),
        };
        say(&format!("columns that say much the same share their importance: {}{more}", pairs.join(", ")));
    }
    text
}

fn pair(Alike { columns: [a, b], correlation }: &Alike) -> String {
    format!("{a} and {b} ({correlation:.2})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_told_in_points_and_pairs_by_name() {
        let column = |name: &str, importance, p_value| ColumnImportance {
            name: name.to_owned(),
            importance,
            interval: [importance - 0.01, importance + 0.01],
            hsic: 0.012_345,
            p_value,
        };
        let found = Importance {
            metric: Metric::Accuracy,
            value: 0.95,
            rows: 40,
            tested_rows: 40,
            columns: vec![column("length", 0.25, 1.0 / 1001.0), column("width", 0.0, 0.5)],
            alike: vec![Alike { columns: ["length".to_owned(), "width".to_owned()], correlation: -0.97 }],
        };
        let expected = "\
column  importance   95 % interval   HSIC      p
length       25.00  24.00 to 26.00  0.012  0.001
width         0.00   -1.00 to 1.00  0.012    0.5
importance: points of accuracy (95.00 %) that are lost on 40 rows when a column is dealt out anew,
mean of 20 shuffles; HSIC and p: of the column and the target, 1,000 permutations on 40 rows
columns that say much the same share their importance: length and width (-0.97)
";
        assert_eq!(told("40 rows", &found, 20, 1000, 100), expected);
    }
}
