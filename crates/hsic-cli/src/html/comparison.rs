//! The page of a comparison of learning methods.

use hsic_lab::comparison::{ComparisonRecord, MethodRow};
use maud::{Markup, html};

use super::overview::{fold, keys, of_comparison};
use super::parts::{Draw, command, drawing, folded, page as whole, scroll};
use crate::compared::{ComparedTable, elsewhere};
use crate::report::{duration, machine};

/// The page.
pub(crate) fn page(record: &ComparisonRecord, draw: Draw) -> String {
    let seeds: Vec<String> = record.seeds.iter().map(ToString::to_string).collect();
    let title = format!("Learning methods: {} on {}", record.model, record.data.join(", "));
    let trained: f64 = record.rows.iter().flat_map(|row| &row.seconds).sum();
    let facts = html! {
        p { (record.search()) }
        dl.facts {
            div { dt { "Budget of each training" } dd { (record.budget) } }
            div { dt { "Seeds" } dd { (seeds.join(", ")) } }
            div { dt { "Data" } dd { (record.data.join(", ")) } }
            div { dt { "Machine" } dd { (machine(&record.machine)) } }
            div { dt { "Final trainings" } dd { (duration(trained)) } }
            div { dt { "Command" } dd { (command(&record.command)) } }
        }
    };
    let rows = html! {
        (table(record))
        @if let Some(told) = elsewhere(&record.rows) { p.note { (told) } }
        p.note {
            "Accuracy on the test data: mean of the seeds, with the least and the largest in parentheses; by looks: \
             the mean of what is said of an image, its mirror image and both moved by a pixel, where that was asked for. At once: the most \
             parameters that one update touches. Parallel: whether all blocks can be updated at once. A rate marked \
             with * is the least or the largest of those tried: a better one may lie beyond."
            @if record.tells_energy() {
                " Energy is what processors and memory of the machine took in that time, whatever else ran there."
            }
        }
    };
    let methods = html! {
        dl.facts {
            @for row in &record.rows { div { dt { (row.label()) } dd { (row.summary) ". " (row.reference) } } }
        }
    };
    let body = html! {
        (keys(&of_comparison(record)))
        section.first aria-labelledby="figure" {
            h2 id="figure" { "Over time and memory" }
            figure {
                (drawing(&record.plot, "accuracy over time and against memory", "comparison", draw))
                figcaption { (record.plot.caption) }
            }
        }
        (fold("table", "Table", &rows))
        (fold("made", "How it was made", &facts))
        (fold("search", "The search for rates", &search(&record.rows)))
        (fold("methods", "The methods", &methods))
    };
    whole(&title, &body)
}

fn table(record: &ComparisonRecord) -> Markup {
    let columns = ComparedTable::of(record);
    let caption = "Methods on the same network, data and budget";
    let table = html! {
        table {
            caption { (caption) }
            thead {
                tr {
                    @for (index, head) in columns.heads().iter().enumerate() {
                        th.number[index > 0] scope="col" { (head) }
                    }
                    th scope="col" { "command" }
                }
            }
            tbody {
                @for row in &record.rows {
                    @let cells = columns.cells(row);
                    tr.broken[row.test_accuracy.is_empty()] {
                        th scope="row" { (cells[0]) }
                        @for cell in &cells[1..] { td.number { (cell) } }
                        td {
                            @if let Some(command) = row.commands.first() { (folded(command)) }
                            @if let Some(failure) = &row.failure { (failure) }
                        }
                    }
                }
            }
        }
    };
    scroll(caption, &table)
}

fn search(rows: &[MethodRow]) -> Markup {
    let caption = "Accuracy on the validation part, by rate";
    let table = html! {
        table {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { "method" }
                    th.number scope="col" { "epochs" }
                    th.number scope="col" { "batch" }
                    th.number scope="col" { "rate" }
                    th.number scope="col" { "accuracy (%)" }
                    th scope="col" { "command" }
                }
            }
            @for row in rows {
                tbody {
                    @for trial in &row.trials {
                        tr {
                            th scope="row" { (row.label()) }
                            td.number { (row.trial_epochs) }
                            td.number { @if trial.batch_size > 0 { (trial.batch_size) } }
                            td.number { (trial.learning_rate) }
                            td.number {
                                @match trial.accuracy {
                                    Some(accuracy) => (format!("{:.2}", 100.0 * accuracy)),
                                    None => (trial.failure.clone().unwrap_or_default()),
                                }
                                @if (row.learning_rate, row.batch_size) == (Some(trial.learning_rate), trial.batch_size) { " \u{2713}" }
                            }
                            td { (folded(&trial.command)) }
                        }
                    }
                }
            }
        }
    };
    scroll(caption, &table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compared::tests::comparison;

    #[test]
    fn a_page_tells_rows_trials_and_failures_and_escapes_them() {
        let page = page(&comparison(), |_, _| "<svg viewBox=\"0 0 10 10\" width=\"10\"></svg>".to_owned());
        for expected in
            ["97.50 (97.00 to 98.00)", "2e-3*", "95.00 \u{2713}", "the network &lt;conv&gt; cannot be trained"]
        {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
    }
}
