//! The page of several runs: one table, and their curves in the same coordinates.

use hsic_lab::figure::overlay::overlaid;
use maud::{Markup, html};

use super::parts::{Draw, contents, drawing, identifier, page as whole, scroll};
use crate::several::SeveralRuns;

/// The page.
pub(crate) fn page(content: &SeveralRuns, draw: Draw) -> String {
    let runs: Vec<_> = content.runs.iter().map(|(name, report)| (name.clone(), report)).collect();
    let figures: Vec<_> = overlaid(&runs)
        .into_iter()
        .enumerate()
        .map(|(index, (title, plot))| (identifier("figure", &title, index), title, plot))
        .collect();
    let mut entries = vec![("summary".to_owned(), "Summary".to_owned())];
    if !content.options.is_empty() {
        entries.push(("options".to_owned(), "Options that differ".to_owned()));
    }
    entries.extend(figures.iter().map(|(id, title, _)| (id.clone(), title.clone())));
    let body = html! {
        (contents(&entries))
        section aria-labelledby="summary" {
            h2 id="summary" { "Summary" }
            (table("What each run came to", "quantity", content, &content.rows))
            @if !content.warnings.is_empty() {
                ul.warnings { @for warning in &content.warnings { li { "\u{26a0} " (warning) } } }
            }
        }
        @if !content.options.is_empty() {
            section aria-labelledby="options" {
                h2 id="options" { "Options that differ" }
                (table("Options that are not the same in all runs", "option", content, &content.options))
            }
        }
        @for (id, title, plot) in &figures {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                figure {
                    (drawing(plot, title, id, draw))
                    figcaption { (plot.caption) }
                }
            }
        }
    };
    whole(&content.title(), &body)
}

/// A column a run.
fn table(caption: &str, head: &str, content: &SeveralRuns, rows: &[(String, Vec<String>)]) -> Markup {
    scroll(
        caption,
        &html! {
            table {
                caption { (caption) }
                thead { tr { th scope="col" { (head) } @for name in content.names() { th scope="col" { (name) } } } }
                tbody {
                    @for (name, values) in rows {
                        tr { th scope="row" { (name) } @for value in values { td { (value) } } }
                    }
                }
            }
        },
    )
}
