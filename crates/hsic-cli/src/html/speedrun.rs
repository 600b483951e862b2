//! The page of a speed run.

use hsic_lab::speedrun::SpeedRunRecord;
use maud::{Markup, html};

use super::parts::{Draw, command, drawing, folded, page as whole, scroll};
use crate::speedrun::{ATTEMPT_HEADS, GOAL_HEADS, attempt_cells, facts, goal_cells, notes, title};

/// The page.
pub(crate) fn page(record: &SpeedRunRecord, draw: Draw) -> String {
    let goals = record.goals.iter().map(|row| (goal_cells(row).to_vec(), row.command.as_deref()));
    let attempts = record.attempts.iter().map(|tried| (attempt_cells(tried).to_vec(), Some(&*tried.command)));
    let body = html! {
        p {
            "The shortest whole training that reaches an accuracy. Trainings of the lengths below were made on a part of the \
             training data and judged on the rest of it; the first that reaches a goal says how long a training must be. One \
             of that length was then made once on all training data and judged on the test data, whose accuracy may lie under the goal. \
             Nothing was chosen by test data."
        }
        dl.facts {
            @for (name, fact) in facts(record) { div { dt { (name) } dd { (fact) } } }
            div { dt { "Command" } dd { (command(&record.command)) } }
        }
        section aria-labelledby="goals" {
            h2 id="goals" { "Goals" }
            (table("Trainings that reach a goal", &GOAL_HEADS, goals))
            @for note in notes(record) { p { (note) } }
            p.note {
                "An empty cell stands where a goal was not reached or a number is not known. Operations: two for each multiply-add \
                 of weights with values of the samples, in all passes of the training; kernels, norms, the optimizer and \
                 evaluation are not counted. By looks: the mean of what is said of an image, its mirror image and both moved by a \
                 pixel, where that was asked for. Minutes are those of training and evaluation."
            }
        }
        section aria-labelledby="figure" {
            h2 id="figure" { "Accuracy by length" }
            figure {
                (drawing(&record.plot, "accuracy by the length of a training", "speedrun", draw))
                figcaption { (record.plot.caption) }
            }
        }
        section aria-labelledby="lengths" {
            h2 id="lengths" { "Lengths that were tried" }
            (table("Trainings on a part of the training data", &ATTEMPT_HEADS, attempts))
        }
    };
    whole(&title(record), &body)
}

fn table<'r>(caption: &str, heads: &[&str], rows: impl Iterator<Item = (Vec<String>, Option<&'r str>)>) -> Markup {
    let table = html! {
        table {
            caption { (caption) }
            thead {
                tr {
                    @for head in heads { th.number scope="col" { (head) } }
                    th scope="col" { "command" }
                }
            }
            tbody {
                @for (cells, command) in rows {
                    tr {
                        th.number scope="row" { (cells[0]) }
                        @for cell in &cells[1..] { td.number { (cell) } }
                        td { @if let Some(command) = command { (folded(command)) } }
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
    use crate::speedrun::tests::record;

    #[test]
    fn a_page_tells_goals_lengths_and_what_was_not_begun_and_escapes_names() {
        let page = page(&record(), |_, _| "<svg viewBox=\"0 0 10 10\" width=\"10\"></svg>".to_owned());
        for expected in [
            "<td class=\"number\">0.148 PFLOP</td>",
            "<th class=\"number\" scope=\"row\">90</th><td class=\"number\"></td>",
            "A training of 8 epochs on a part of the training data was not begun",
            "training diverged in &lt;block&gt; 1",
            "81.00",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
    }
}
