//! The live view: what is seen of a list of runs, of one run and of several in the same coordinates, part by part, and the page
//! whose script puts newer parts in the place of older ones.

use std::path::Path;

use hsic_bottleneck::log::Warning;
use hsic_lab::figure::overlay::{MOST_RUNS, overlaid};
use hsic_lab::figure::run_page::plots;
use hsic_lab::figure::run_report::RunReport;
use hsic_lab::runs::{ListedRun, RunState};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::parts::{Draw, drawing, framed, identifier, scroll};
use crate::report::{RunFacts, duration};
use crate::table::{MISSING, significant};

/// Most points of a curve: more than a drawing has pixels for would only be sent.
const MOST_POINTS: usize = 300;

/// A part of a view: its identifier within the page, and what it shows.
pub(crate) type Part = (String, String);

/// A run as it stands.
pub(crate) struct Seen<'a> {
    /// The name by which it is asked for.
    pub(crate) name: &'a str,
    pub(crate) listed: &'a ListedRun,
    /// What its folder tells; `None` as long as it cannot be read.
    pub(crate) report: Option<&'a RunReport>,
    /// Why something cannot be read.
    pub(crate) error: Option<&'a str>,
}

/// What the page runs.
pub(crate) fn script() -> String {
    // A clone on another system may have other ends of lines; a browser reads them as these.
    include_str!("board.js").replace("\r\n", "\n")
}

/// The page around some parts; `events` is where newer ones come from.
pub(crate) fn page(title: &str, home: bool, parts: &[Part], events: &str) -> String {
    let content = html! {
        p.note {
            @if !home { a href="/" { "All runs" } " \u{b7} " }
            span #connection role="status" { "as of the time at which this page was opened" }
        }
        div #parts data-events=(events) {
            @for (id, content) in parts { section id=(id) { (maud::PreEscaped(content)) } }
        }
    };
    framed(title, "hsic board", &content, Some(&script()))
}

/// Where the page of some runs lies.
pub(crate) fn query(names: &[String]) -> String {
    let pairs = names.iter().map(|name| format!("run={}", utf8_percent_encode(name, NON_ALPHANUMERIC)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The list of runs.
pub(crate) fn list(runs: &[(Option<String>, ListedRun)], error: Option<&str>) -> Vec<Part> {
    let content = html! {
        h2 { "Runs" }
        @if let Some(error) = error { p.broken { (error) } }
        @if runs.is_empty() {
            p { "No run yet. A training that begins appears here." }
        } @else {
            form action="/" {
                (scroll("Runs", &html! {
                    table {
                        caption { (runs.len()) " runs; up to " (MOST_RUNS) " can be shown together" }
                        thead {
                            tr {
                                th scope="col" { "together" }
                                @for head in ["run", "state", "data", "network", "method", "seed"] { th scope="col" { (head) } }
                                @for head in ["epochs", "accuracy or R2", "seconds", "left"] { th.number scope="col" { (head) } }
                            }
                        }
                        tbody { @for (name, run) in runs { (row(name.as_deref(), run)) } }
                    }
                }))
                p { button { "Show together" } }
            }
        }
    };
    vec![("runs".to_owned(), content.into_string())]
}

fn row(name: Option<&str>, run: &ListedRun) -> Markup {
    let shown = shown(name.unwrap_or_default(), run);
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| MISSING.to_owned());
    let data = run.dataset.as_deref().and_then(|place| Path::new(place).file_name());
    html! {
        tr {
            td { @if let Some(name) = name { input type="checkbox" name="run" value=(name) aria-label={ "show " (shown) }; } }
            th scope="row" {
                @if let Some(name) = name { a href={ "/?" (query(&[name.to_owned()])) } { (shown) } } @else { (shown) }
            }
            td { (state(run)) }
            td { (data.map_or_else(|| MISSING.to_owned(), |name| name.to_string_lossy().into_owned())) }
            td { (word(&run.model)) }
            td { (word(&run.method)) }
            td { (run.seed.map_or_else(|| MISSING.to_owned(), |seed| seed.to_string())) }
            td.number { (epochs(run)) }
            td.number { (score(run)) }
            td.number { (run.seconds.map_or_else(|| MISSING.to_owned(), |seconds| format!("{seconds:.1}"))) }
            td.number { (left(run)) }
        }
    }
}

/// What a run is called: its name, or its folder if it is the one that is shown.
fn shown(name: &str, run: &ListedRun) -> String {
    if name.is_empty() { run.run.display().to_string() } else { name.to_owned() }
}

fn state(run: &ListedRun) -> Markup {
    let mark = match run.state {
        RunState::Running => "\u{25b6} ",
        RunState::Stopped => "\u{23f8}\u{fe0e} ",
        RunState::Finished => "\u{2713} ",
        RunState::Failed | RunState::Unreadable => "\u{26a0}\u{fe0e} ",
    };
    html! {
        span aria-hidden="true" { (mark) }
        (run.state.name())
        @if let Some(said) = &run.said { ": " (said) }
    }
}

fn epochs(run: &ListedRun) -> String {
    match (run.epochs, run.epochs_planned) {
        (Some(done), Some(planned)) if done != planned => format!("{done} of {planned}"),
        (None, Some(planned)) => format!("0 of {planned}"),
        (Some(done), _) => done.to_string(),
        (None, None) => MISSING.to_owned(),
    }
}

fn score(run: &ListedRun) -> String {
    match (run.accuracy, run.r2) {
        (Some(accuracy), _) => format!("{:.2} %", 100.0 * accuracy),
        (None, Some(r2)) => format!("R2 {r2:.4}"),
        (None, None) => MISSING.to_owned(),
    }
}

fn left(run: &ListedRun) -> String {
    run.seconds_left().map_or_else(|| MISSING.to_owned(), |seconds| format!("about {}", duration(seconds)))
}

/// Title of the page of some runs.
pub(crate) fn title(seen: &[Seen<'_>]) -> String {
    match seen {
        [] => "Runs".to_owned(),
        [one] => shown(one.name, one.listed),
        more => format!("{} runs", more.len()),
    }
}

/// One run, or several in the same coordinates. What stands in the first part changes often and is short.
pub(crate) fn runs(seen: &[Seen<'_>], draw: Draw) -> Vec<Part> {
    let mut parts = vec![standing(seen)];
    let drawn: Vec<(String, RunReport)> =
        seen.iter().filter_map(|run| Some((shown(run.name, run.listed), run.report?.thinned(MOST_POINTS)))).collect();
    let figures = match (seen, &*drawn) {
        ([_], [(_, report)]) => {
            parts.extend(blocks(report).map(|table| ("blocks".to_owned(), table.into_string())));
            plots(report)
        }
        _ => overlaid(&drawn.iter().map(|(name, report)| (name.clone(), report)).collect::<Vec<_>>()),
    };
    for (title, plot) in figures {
        // A figure keeps its place and name while others come to stand beside it.
        let id = identifier("figure", &title, 0);
        let content = html! {
            h2 { (title) }
            figure {
                (drawing(&plot, &title, &id, draw))
                figcaption { (plot.caption) }
            }
        };
        parts.push((id, content.into_string()));
    }
    parts
}

/// How far some runs have come: the first of their parts.
pub(crate) fn standing(seen: &[Seen<'_>]) -> Part {
    let table = html! {
        table {
            caption { "How far it has come" }
            thead {
                tr {
                    @for head in ["run", "state"] { th scope="col" { (head) } }
                    @for head in ["epochs", "accuracy or R2", "seconds", "left"] { th.number scope="col" { (head) } }
                }
            }
            tbody {
                @for Seen { name, listed, .. } in seen {
                    tr {
                        th scope="row" {
                            @if seen.len() > 1 {
                                a href={ "/?" (query(&[(*name).to_owned()])) } { (shown(name, listed)) }
                            } @else {
                                (shown(name, listed))
                            }
                        }
                        td { (state(listed)) }
                        td.number { (epochs(listed)) }
                        td.number { (score(listed)) }
                        td.number { (listed.seconds.map_or_else(|| MISSING.to_owned(), |seconds| format!("{seconds:.1}"))) }
                        td.number { (left(listed)) }
                    }
                }
            }
        }
    };
    let warnings = seen.iter().flat_map(|run| {
        let facts = run.report.map(|report| RunFacts::of(report, &run.listed.run).warnings).unwrap_or_default();
        let name = if seen.len() > 1 { format!("{}: ", shown(run.name, run.listed)) } else { String::new() };
        facts.into_iter().map(move |warning| format!("{name}{warning}"))
    });
    let warnings: Vec<String> = warnings.collect();
    let content = html! {
        h2 { "State" }
        @for error in seen.iter().filter_map(|run| run.error) { p.broken { (error) } }
        (scroll("How far it has come", &table))
        @if !warnings.is_empty() { ul.warnings { @for warning in &warnings { li { "\u{26a0} " (warning) } } } }
    };
    ("state".to_owned(), content.into_string())
}

/// How each block stands after the last epoch; `None` before the first.
fn blocks(report: &RunReport) -> Option<Markup> {
    let last = report.epochs.last()?;
    let before = report.epochs.iter().rev().nth(1);
    let monitor = report.monitor.last();
    let number = |value: Option<f64>| value.map_or_else(|| MISSING.to_owned(), |value| significant(value, 4));
    let at = |values: &[f64], block: usize| values.get(block).copied();
    let dead = |block: usize| {
        report.warnings.iter().find_map(|warning| match warning {
            Warning::DeadBlock { block: dead, step } if *dead == block => Some(*step),
            _ => None,
        })
    };
    let change = |block: usize| Some(at(&last.loss, block)? - at(&before?.loss, block)?);
    let table = html! {
        table {
            caption { "Means over epoch " (last.epoch) "; gradients as the monitor saw them last" }
            thead {
                tr {
                    th scope="col" { "block" }
                    @for head in ["loss", "change", "nHSIC(X, Z)", "nHSIC(Y, Z)", "gradient norm"] { th.number scope="col" { (head) } }
                    th scope="col" { "state" }
                }
            }
            tbody {
                @for block in 0..last.loss.len() {
                    tr class=[dead(block).map(|_| "broken")] {
                        th scope="row" { (block) }
                        td.number { (number(at(&last.loss, block))) }
                        td.number { (number(change(block))) }
                        td.number { (number(at(&last.nhsic_x, block))) }
                        td.number { (number(at(&last.nhsic_y, block))) }
                        td.number { (number(monitor.and_then(|seen| at(&seen.gradient_norm, block)))) }
                        td { @match dead(block) { Some(step) => { "\u{26a0} dead since step " (step) } None => { "learns" } } }
                    }
                }
            }
        }
    };
    Some(html! { h2 { "Blocks" } (scroll("Blocks", &table)) })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use hsic_bottleneck::config::TrainOptions;
    use hsic_bottleneck::log::EpochReport;

    use super::*;

    fn listed() -> ListedRun {
        let mut run = ListedRun::read(Path::new("none"));
        (run.state, run.said) = (RunState::Running, None);
        run.run = PathBuf::from("runs/<a>");
        (run.epochs, run.epochs_planned, run.seconds, run.accuracy) = (Some(2), Some(6), Some(3.0), Some(0.4321));
        run
    }

    fn report() -> RunReport {
        let epoch = |epoch: u64| EpochReport {
            epoch,
            step: epoch,
            seconds: epoch as f64,
            learning_rate: 0.1,
            loss: vec![-1.0, -0.5 * epoch as f64],
            nhsic_x: vec![3.0, 4.0],
            nhsic_y: vec![5.0, 6.0],
            terms: Default::default(),
            train_accuracy: 0.5,
            test_accuracy: 0.4321,
            values: None,
            authors_test_accuracy: None,
        };
        RunReport {
            config: TrainOptions::default().resolve().unwrap(),
            summary: None,
            epochs: vec![epoch(1), epoch(2)],
            monitor: Vec::new(),
            probes: Vec::new(),
            format: Vec::new(),
            timelines: Vec::new(),
            warnings: vec![Warning::DeadBlock { block: 0, step: 9 }],
            values: None,
            reconstructions: None,
            samples: None,
            filters: None,
            members: Vec::new(),
        }
    }

    fn draw(_: &hsic_lab::figure::plot::Plot, _: &str) -> String {
        "<svg></svg>".to_owned()
    }

    #[test]
    fn a_run_is_a_line_with_a_link_and_what_cannot_be_named_has_none() {
        let parts = list(&[(Some("<a>".to_owned()), listed()), (None, listed())], Some("<gone>"));
        let text = &parts[0].1;
        assert!(text.contains("<a href=\"/?run=%3Ca%3E\">&lt;a&gt;</a>"), "{text}");
        assert!(text.contains("<td class=\"number\">2 of 6</td><td class=\"number\">43.21 %</td>"), "{text}");
        assert!(text.contains("about 6.0 s") && text.contains("&lt;gone&gt;"), "{text}");
        assert_eq!((text.matches("type=\"checkbox\"").count(), text.matches("<a href").count()), (1, 1));
        assert!(list(&[], None)[0].1.contains("No run yet"));
    }

    #[test]
    fn a_run_shows_its_state_its_blocks_and_its_figures() {
        let (listed, report) = (listed(), report());
        let seen = [Seen { name: "<a>", listed: &listed, report: Some(&report), error: None }];
        let parts = runs(&seen, draw);
        let ids: Vec<&str> = parts.iter().map(|(id, _)| &**id).collect();
        assert_eq!(ids[..3], ["state", "blocks", "figure-0-Accuracy"]);
        assert!(parts[0].1.contains("block 0 is dead since step 9"), "{}", parts[0].1);
        let row = "<tr><th scope=\"row\">1</th><td class=\"number\">\u{2212}1</td><td class=\"number\">\u{2212}0.5</td><td class=\"number\">4</td>";
        assert!(parts[1].1.contains(row), "{}", parts[1].1);
        assert!(parts[1].1.contains("dead since step 9") && parts[1].1.contains("<td>learns</td>"));
        assert_eq!(title(&seen), "<a>");
    }

    #[test]
    fn several_runs_share_their_figures_and_one_that_cannot_be_read_is_told() {
        let (listed, report) = (listed(), report());
        let one = |name| Seen { name, listed: &listed, report: Some(&report), error: None };
        let broken = Seen { name: "c", listed: &listed, report: None, error: Some("line 3") };
        let parts = runs(&[one("a"), one("b"), broken], draw);
        let ids: Vec<&str> = parts.iter().map(|(id, _)| &**id).collect();
        assert_eq!(
            ids,
            ["state", "figure-0-Accuracy", "figure-0-Loss-of-the-last-block", "figure-0-Dependence-at-the-last-block"]
        );
        assert!(parts[0].1.contains("line 3") && parts[0].1.contains("b: block 0 is dead"), "{}", parts[0].1);
    }

    #[test]
    fn the_page_runs_one_script_and_names_where_newer_parts_come_from() {
        let page = page("<t>", false, &[("state".to_owned(), "<p>x</p>".to_owned())], "/events?run=a&run=b");
        assert_eq!((page.matches("<script>").count(), page.matches("<script").count()), (1, 1));
        assert!(page.contains(&script()) && !script().contains("</"), "the script is as it is");
        assert!(page.contains("data-events=\"/events?run=a&amp;run=b\"") && page.contains("<title>&lt;t&gt;</title>"));
        assert!(page.contains("<section id=\"state\"><p>x</p></section>"));
    }
}
