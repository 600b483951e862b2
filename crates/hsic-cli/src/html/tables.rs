//! What a run's figures show as numbers: its epochs, and which classes it takes for which.

use hsic_bottleneck::log::EpochReport;
use hsic_bottleneck::summary::{JudgedOn, Summary};
use maud::{Markup, html};

use super::parts::scroll;
use crate::table::significant;

/// Most epochs of which each has a line.
const MOST_EPOCHS: usize = 500;

/// Most blocks of which each has its loss there; of more blocks only the last has.
const MOST_BLOCKS: usize = 8;

/// Most pairs of classes that are named.
const MOST_PAIRS: usize = 10;

/// A line an epoch, folded; `None` before the first.
pub(super) fn epochs(epochs: &[EpochReport], judged: JudgedOn) -> Option<Markup> {
    let last = epochs.last()?;
    let part = judged.name();
    let percent = |fraction: f64| format!("{:.2}", 100.0 * fraction);
    // Every so many, counted from the last one.
    let every = epochs.len().div_ceil(MOST_EPOCHS);
    let shown: Vec<&EpochReport> = epochs.iter().rev().step_by(every).collect();
    let of_values = last.values.is_some();
    let scores = match of_values {
        true => ["training R2".to_owned(), format!("{part} R2")],
        false => ["training accuracy (%)".to_owned(), format!("{part} accuracy (%)")],
    };
    let all = last.loss.len();
    let blocks = if all <= MOST_BLOCKS { 0..all } else { all - 1..all };
    let table = html! {
        table {
            caption { "Epochs, the last first" @if every > 1 { ", every " (every) } }
            thead {
                tr {
                    th.number scope="col" { "epoch" }
                    @for head in &scores { th.number scope="col" { (head) } }
                    th.number scope="col" { "seconds" }
                    th.number scope="col" { "learning rate" }
                    @for block in blocks.clone() { th.number scope="col" { "loss of block " (block) } }
                }
            }
            tbody {
                @for epoch in shown {
                    @let scores = match &epoch.values {
                        Some(values) => [values.train.r2, values.test.r2].map(|r2| format!("{r2:.4}")),
                        None => [epoch.train_accuracy, epoch.test_accuracy].map(percent),
                    };
                    tr {
                        th.number scope="row" { (epoch.epoch) }
                        @for score in &scores { td.number { (score) } }
                        td.number { (format!("{:.1}", epoch.seconds)) }
                        td.number { (significant(epoch.learning_rate, 3)) }
                        @for loss in epoch.loss.get(blocks.clone()).unwrap_or_default() { td.number { (significant(*loss, 4)) } }
                    }
                }
            }
        }
    };
    Some(html! { details { summary { "Every epoch in numbers" } (scroll("Epochs", &table)) } })
}

/// A pair of classes, of which samples of the first were read as the second.
struct Confused {
    class: usize,
    read: usize,
    count: u64,
    /// Samples of the class.
    of: u64,
}

/// Which classes are taken for which, those with the most samples first; `None` if none is.
pub(super) fn confused(summary: &Summary) -> Option<Markup> {
    let mut pairs = Vec::new();
    for (class, row) in summary.confusion.counts.iter().enumerate() {
        let of = row.iter().sum();
        let wrong = row.iter().enumerate().filter(|&(read, &count)| read != class && count > 0);
        pairs.extend(wrong.map(|(read, &count)| Confused { class, read, count, of }));
    }
    let (all, wrong) = (pairs.len(), pairs.iter().map(|pair| pair.count).sum::<u64>());
    pairs.sort_by_key(|pair| (std::cmp::Reverse(pair.count), pair.class, pair.read));
    pairs.truncate(MOST_PAIRS);
    let shown: u64 = pairs.iter().map(|pair| pair.count).sum();
    let name = |class: usize| summary.class_names.get(class).map_or_else(|| class.to_string(), Clone::clone);
    let table = html! {
        table {
            caption { "Most confused classes: " (shown) " of the " (wrong) " samples that are read wrong, " (pairs.len()) " of " (all) " pairs" }
            thead {
                tr {
                    th scope="col" { "true class" }
                    th scope="col" { "read as" }
                    th.number scope="col" { "samples" }
                    th.number scope="col" { "of the class" }
                }
            }
            tbody {
                @for pair in &pairs {
                    tr {
                        th scope="row" { (name(pair.class)) }
                        td { (name(pair.read)) }
                        td.number { (pair.count) }
                        td.number { (format!("{:.1} %", 100.0 * pair.count as f64 / pair.of as f64)) }
                    }
                }
            }
        }
    };
    (all > 0).then(|| scroll("Most confused classes", &table))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: u64) -> EpochReport {
        EpochReport {
            epoch,
            step: epoch,
            seconds: 0.5 * epoch as f64,
            learning_rate: 0.001,
            loss: vec![-1.0, 12.345_67],
            nhsic_x: Vec::new(),
            nhsic_y: Vec::new(),
            terms: Default::default(),
            train_accuracy: 0.5,
            test_accuracy: 0.25,
            values: None,
            authors_test_accuracy: None,
        }
    }

    #[test]
    fn an_epoch_is_a_line_and_of_many_the_last_is_among_those_shown() {
        let table = epochs(&[epoch(1), epoch(2)], JudgedOn::Validation).unwrap().into_string();
        assert!(table.contains("validation accuracy (%)") && table.contains("loss of block 1"), "{table}");
        let cells = ["2", "50.00", "25.00", "1.0", "0.001", "\u{2212}1", "12.35"];
        let row = table.split("<tbody>").nth(1).unwrap().split("</tr>").next().unwrap();
        assert!(cells.iter().all(|cell| row.contains(&format!(">{cell}</t"))), "{row}");
        let many: Vec<EpochReport> = (1..=1201).map(epoch).collect();
        let table = epochs(&many, JudgedOn::Test).unwrap().into_string();
        assert_eq!(table.matches("scope=\"row\"").count(), 401);
        assert!(table.contains(">1201</th>") && table.contains("every 3") && !table.contains(">1200</th>"));
        assert!(epochs(&[], JudgedOn::Test).is_none());
    }

    #[test]
    fn the_most_confused_classes_come_first() {
        let of = |counts: &str| {
            let text = format!(
                r#"{{"run":"r","dataset":"d","model":"mlp","method":"hsic","epochs":1,"steps":1,"seed":1,"threads":1,
                "train_accuracy":1,"test_accuracy":1,"format_accuracy":null,"seconds":1,"milliseconds_per_step":1,
                "peak_memory_bytes":null,"parameters":1,"confusion":{{"counts":{counts}}},"class_names":["<a>","b"]}}"#
            );
            serde_json::from_str::<Summary>(&text).unwrap()
        };
        let table = confused(&of("[[7,1,2],[3,9,0],[0,0,5]]")).unwrap().into_string();
        assert!(table.contains("6 of the 6 samples that are read wrong, 3 of 3 pairs"), "{table}");
        let rows: Vec<&str> = table.split("<tr>").skip(2).collect();
        assert!(
            rows[0].contains("<th scope=\"row\">b</th><td>&lt;a&gt;</td><td class=\"number\">3</td>"),
            "{}",
            rows[0]
        );
        assert!(rows[0].contains("25.0 %") && rows[1].contains("<td>2</td>") && rows[2].contains("<td>b</td>"));
        assert!(confused(&of("[[7,0],[0,9]]")).is_none());
    }
}
