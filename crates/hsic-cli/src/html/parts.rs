//! What pages are made of: the frame, drawings, commands, lists.

use hsic_lab::figure::plot::Plot;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::svg;

/// Draws a plot under a title as SVG.
pub(crate) type Draw = fn(&Plot, &str) -> String;

/// Names the maker of a page, by which one is known.
pub(crate) const GENERATOR: &str = "hsic report";

/// A browser that reads this fetches nothing and runs nothing, whatever may stand in a name.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A whole page around its content, that is a file.
pub(super) fn page(title: &str, content: &Markup) -> String {
    framed(title, GENERATOR, content, None)
}

/// A whole page around its content: with a script if a server sends it, which then says what the page may do.
pub(super) fn framed(title: &str, maker: &str, content: &Markup, script: Option<&str>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if script.is_none() { meta http-equiv="Content-Security-Policy" content=(POLICY); }
                meta name="generator" content=(maker);
                meta name="color-scheme" content="light dark";
                // A browser would ask the server for one.
                @if script.is_some() { link rel="icon" href="data:,"; }
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main {
                    h1 { (title) }
                    (content)
                }
                footer { "Made by hsic " (env!("CARGO_PKG_VERSION")) ", " code { (maker) } "." }
                @if let Some(script) = script { script { (PreEscaped(script)) } }
            }
        }
    };
    page.into_string()
}

/// What is wider than the screen scrolls by itself, by keyboard too.
pub(super) fn scroll(label: &str, content: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (content) } }
}

/// Longest word of a command that is kept on one line.
const LONGEST_WORD: usize = 32;

/// A command; one click takes all of it. It is broken between words: a browser would break before a hyphen too.
pub(super) fn command(text: &str) -> Markup {
    html! {
        code.command {
            @for (index, word) in text.split(' ').enumerate() {
                @if index > 0 { " " }
                @if word.len() <= LONGEST_WORD { span.word { (word) } } @else { (word) }
            }
        }
    }
}

/// Longest command that stands in a table as it is.
const LONGEST_COMMAND: usize = 80;

/// A command in a table: a long one is folded under its first words.
pub(super) fn folded(text: &str) -> Markup {
    const WORDS: usize = 4;
    if text.len() <= LONGEST_COMMAND {
        return command(text);
    }
    let words: Vec<&str> = text.split(' ').take(WORDS).collect();
    html! { details.folded { summary { code { (words.join(" ")) " \u{2026}" } } (command(text)) } }
}

/// A plot drawn in place, its identifiers its own. Heading and caption stand around it as text of the page.
pub(super) fn drawing(plot: &Plot, title: &str, prefix: &str, draw: Draw) -> Markup {
    let bare = Plot { caption: String::new(), ..plot.clone() };
    let svg = svg::inline(&draw(&bare, ""), prefix, title);
    let bounds = svg::width(&svg).map(bounds);
    scroll(&format!("Figure: {title}"), &html! { div.drawing style=[bounds] { (PreEscaped(svg)) } })
}

/// How wide a drawing of so many pixels is shown: no larger than it is, and no smaller than its text can be read.
pub(super) fn bounds(width: f64) -> String {
    format!("max-width: {width}px; min-width: {}px", (0.9 * width).round())
}

/// A list of contents: target and text.
pub(super) fn contents(entries: &[(String, String)]) -> Markup {
    html! {
        nav aria-labelledby="contents" {
            h2 id="contents" { "Contents" }
            ol { @for (target, text) in entries { li { a href={ "#" (target) } { (text) } } } }
        }
    }
}

/// An identifier of letters, digits and hyphens; `index` tells those apart that come to the same.
pub(super) fn identifier(kind: &str, name: &str, index: usize) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{kind}-{index}-{name}")
}
