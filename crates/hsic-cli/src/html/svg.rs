//! SVG within a page.

use maud::html;

/// Attributes whose value is a list of identifiers.
const LISTS: &[&str] = &["aria-labelledby=\"", "aria-describedby=\""];

/// What stands before one identifier.
const SINGLES: &[&str] = &[" id=\"", "url(#", "href=\"#"];

/// A drawing as it may stand in a page beside others: without what comes before its first tag (a page allows no XML
/// declaration) and without name spaces, with `prefix-` before its identifiers and their uses, and named by `label` for
/// those who do not see it.
pub(super) fn inline(svg: &str, prefix: &str, label: &str) -> String {
    let begin = svg.find("<svg").unwrap_or(0);
    let mut text = String::with_capacity(svg.len());
    for piece in svg[begin..].split_inclusive('>') {
        let (between, tag) = piece.split_at(piece.find('<').unwrap_or(piece.len()));
        text.push_str(between);
        let mut tag = tag.to_owned();
        while let Some((before, rest)) = tag.split_once(" xmlns")
            && let Some((_, after)) = rest.split_once("=\"").and_then(|(_, rest)| rest.split_once('"'))
        {
            tag = format!("{before}{after}");
        }
        for lead in SINGLES {
            tag = tag.replace(lead, &format!("{lead}{prefix}-"));
        }
        for lead in LISTS {
            if let Some((before, rest)) = tag.split_once(lead)
                && let Some((names, after)) = rest.split_once('"')
            {
                let names: Vec<String> = names.split_whitespace().map(|name| format!("{prefix}-{name}")).collect();
                tag = format!("{before}{lead}{}\"{after}", names.join(" "));
            }
        }
        text.push_str(&tag);
    }
    let label = html! { (label) }.into_string();
    text.trim_end().replacen("<svg", &format!("<svg aria-label=\"{label}\""), 1)
}

/// Pixels that a drawing is wide, by the box that its first tag names.
pub(super) fn width(svg: &str) -> Option<f64> {
    let tag = svg.split('>').next()?;
    let (_, rest) = tag.split_once(" viewBox=\"")?;
    let width: f64 = rest.split('"').next()?.split_whitespace().nth(2)?.parse().ok()?;
    (width.is_finite() && width > 0.0).then_some(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_their_uses_get_the_prefix_and_nothing_else_does() {
        let svg = "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://x\" \
                   aria-labelledby=\"t d\"><title id=\"t\">the id=\"t\" of url(#a)</title>\
                   <g clip-path=\"url(#a)\"><use href=\"#b\"/></g><clipPath id=\"a\"/></svg>\n";
        let expected = "<svg aria-label=\"a &quot;b&quot;\" aria-labelledby=\"p-t p-d\"><title id=\"p-t\">the id=\"t\" of url(#a)</title>\
                        <g clip-path=\"url(#p-a)\"><use href=\"#p-b\"/></g><clipPath id=\"p-a\"/></svg>";
        assert_eq!(inline(svg, "p", "a \"b\""), expected);
    }

    #[test]
    fn the_width_is_that_of_the_box() {
        assert_eq!(width("<svg viewBox=\"0 0 960.5 400\"><g viewBox=\"0 0 1 1\"/>"), Some(960.5));
        assert_eq!((width("<svg><g viewBox=\"0 0 1 1\"/></svg>"), width("<svg viewBox=\"0 0\">")), (None, None));
    }
}
