//! The page of a run.

use hsic_lab::figure::run_page::plots;
use hsic_lab::figure::run_report::RunReport;
use maud::{Markup, html};

use super::parts::{Draw, command, contents, drawing, identifier, page as whole, scroll};
use super::{samples, tables, timeline, times};
use crate::report::RunFacts;

/// The page; `settings` is the text of the run's `config.toml`.
pub(crate) fn page(report: &RunReport, facts: &RunFacts, settings: &str, draw: Draw) -> String {
    let plots: Vec<_> = plots(report)
        .into_iter()
        .enumerate()
        .map(|(index, (title, plot))| (identifier("figure", &title, index), title, plot))
        .collect();
    let epochs = tables::epochs(&report.epochs, report.config.judged_on());
    let confused = report.summary.as_ref().and_then(tables::confused);
    let traced = timeline::drawings(&report.timelines);
    let mut more = report.samples.as_ref().map(samples::galleries).unwrap_or_default();
    if let Some(filters) = &report.filters {
        more.push(("filters", "First-layer filters", samples::filters(filters)));
    }
    if let Some(summary) = &report.summary {
        more.push(("times", "Where the time went", times::of(summary, &report.timelines)));
    }
    let mut entries = vec![("summary".to_owned(), "Summary".to_owned())];
    if !facts.warnings.is_empty() {
        entries.push(("warnings".to_owned(), "Warnings".to_owned()));
    }
    entries.extend(plots.iter().map(|(id, title, _)| (id.clone(), title.clone())));
    entries.extend(more.iter().map(|&(id, title, _)| (id.to_owned(), title.to_owned())));
    if !traced.is_empty() {
        entries.push(("timeline".to_owned(), "Timeline of blocks".to_owned()));
    }
    entries.push(("settings".to_owned(), "Settings".to_owned()));
    let body = html! {
        p { (facts.state) }
        (contents(&entries))
        section aria-labelledby="summary" {
            h2 id="summary" { "Summary" }
            (summary(facts))
            p { (command(&facts.command)) }
        }
        @if !facts.warnings.is_empty() {
            section aria-labelledby="warnings" {
                h2 id="warnings" { "Warnings" }
                ul.warnings { @for warning in &facts.warnings { li { "\u{26a0} " (warning) } } }
            }
        }
        @for (id, title, plot) in &plots {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                figure {
                    (drawing(plot, title, id, draw))
                    figcaption { (plot.caption) }
                }
                @match title.as_str() {
                    "Accuracy" | "R2" => @if let Some(table) = &epochs { (table) },
                    "Confusion" => @if let Some(table) = &confused { (table) },
                    "Accuracy by block" => @if let Some(samples) = &report.samples { (samples::readouts(samples)) },
                    "Accuracy by block over epochs" => (samples::probes(&report.probes)),
                    "Samples in the features of blocks" => @if let Some(samples) = &report.samples { (samples::shares(samples)) },
                    _ => {}
                }
            }
        }
        @for (id, title, content) in &more {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                (content)
            }
        }
        @if !traced.is_empty() {
            section aria-labelledby="timeline" {
                h2 id="timeline" { "Timeline of blocks" }
                p { "Which thread worked on what in single steps. The number in a bar is the block, counted from the input." }
                @for drawing in &traced { (drawing) }
            }
        }
        (configuration(settings))
    };
    whole(&facts.title, &body)
}

fn summary(facts: &RunFacts) -> Markup {
    scroll(
        "Summary of the run",
        &html! {
            table {
                caption { "Summary of the run" }
                tbody { @for (name, value) in &facts.rows { tr { th scope="row" { (name) } td { (value) } } } }
            }
        },
    )
}

/// A box a stage.
fn configuration(settings: &str) -> Markup {
    html! {
        section aria-labelledby="settings" {
            h2 id="settings" { "Settings" }
            div.settings { @for stage in settings.split("\n\n") { pre tabindex="0" { code { (stage.trim()) } } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hsic_bottleneck::config::TrainOptions;
    use hsic_bottleneck::log::{EpochReport, TimelineReport, Warning};
    use hsic_bottleneck::span::Span;
    use hsic_bottleneck::span::Work;

    use super::*;

    fn report() -> RunReport {
        let mut options = TrainOptions::default();
        options.data.dataset = Some("<script>.csv".to_owned());
        RunReport {
            config: options.resolve().unwrap(),
            summary: None,
            epochs: vec![EpochReport {
                epoch: 2,
                step: 30,
                seconds: 12.0,
                learning_rate: 0.1,
                loss: vec![-1.0, -2.0],
                nhsic_x: vec![3.0, 4.0],
                nhsic_y: vec![5.0, 6.0],
                terms: Default::default(),
                train_accuracy: 0.5,
                test_accuracy: 0.4321,
                values: None,
                authors_test_accuracy: None,
            }],
            monitor: Vec::new(),
            probes: Vec::new(),
            format: Vec::new(),
            timelines: Vec::new(),
            warnings: Vec::new(),
            values: None,
            reconstructions: None,
            samples: None,
            filters: None,
            members: Vec::new(),
        }
    }

    fn page_of(report: &RunReport) -> String {
        let facts = RunFacts::of(report, Path::new("r"));
        page(report, &facts, "[data]\nshift = 0\n\n[network]\nmodel = \"mlp\"\n", |_, _| "<svg></svg>".to_owned())
    }

    #[test]
    fn an_unfinished_run_is_told_as_far_as_it_has_come() {
        let page = page_of(&report());
        assert!(page.contains("<th scope=\"row\">test accuracy so far</th><td>43.21 %</td>"));
        assert!(page.contains("<span class=\"word\">--resume</span>") && page.contains("<td>2 of 5</td>"));
        assert!(!page.contains("<script") && page.contains("mlp on &lt;script&gt;.csv by hsic"));
        assert_eq!(page.matches("<pre tabindex=\"0\">").count(), 2);
        assert!(!page.contains("id=\"warnings\"") && !page.contains("id=\"timeline\""));
    }

    #[test]
    fn warnings_and_timelines_are_shown_where_there_are_any() {
        let span = Span { work: Work::Block, block: 1, thread: 0, begin_milliseconds: 0.0, end_milliseconds: 2.0 };
        let report = RunReport {
            warnings: vec![Warning::DeadBlock { block: 3, step: 9 }],
            timelines: vec![TimelineReport { step: 7, threads: 1, spans: vec![span] }],
            ..report()
        };
        let page = page_of(&report);
        assert!(page.contains("block 3 is dead since step 9") && page.contains("href=\"#warnings\""));
        assert!(page.contains("Step 7") && page.contains("href=\"#timeline\""));
    }
}
