//! Text in a picture: how wide it is, where it breaks, how it is written into XML.

/// Advance widths of Noto Sans Regular in thousandths of the font size, from U+0020 (space) to U+007E (tilde).
const ADVANCES: [u16; 95] = [
    260, 269, 408, 646, 572, 831, 732, 225, 300, 300, 551, 572, 268, 322, 268, 372, 572, 572, 572, 572, 572, 572, 572,
    572, 572, 572, 268, 268, 572, 572, 572, 434, 899, 639, 650, 632, 730, 556, 519, 728, 741, 339, 273, 619, 524, 907,
    760, 781, 605, 781, 622, 549, 556, 731, 600, 930, 586, 566, 572, 329, 372, 329, 572, 444, 580, 561, 615, 480, 615,
    564, 344, 615, 618, 258, 258, 534, 258, 935, 618, 605, 615, 615, 413, 479, 361, 618, 508, 786, 529, 510, 470, 380,
    551, 380, 572,
];

/// Room beyond the regular font's widths: for bold, 1.05 on average, and for the fonts that stand in for Noto Sans.
const SLACK: f64 = 1.06;

/// The most lines of any wrapped text.
const MOST_LINES: usize = 12;

/// About the width of a line of text in pixels, rather too wide than too narrow.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let advance = |c: char| match c {
        ' '..='~' => f64::from(ADVANCES[c as usize - 0x20]),
        '\u{2009}' => 200.0,
        '\u{2026}' => 800.0,
        '\u{2014}' | '\u{2192}' => 1000.0,
        c if (c as u32) < 0x2e80 => 640.0,
        _ => 1000.0, // ideographs and pictures fill a square
    };
    text.chars().map(advance).sum::<f64>() / 1000.0 * size * SLACK
}

/// The text in lines no wider than `room`, at most `most` of them; what does not fit ends in an ellipsis.
pub(super) fn wrap(text: &str, size: f64, room: f64, most: usize) -> Vec<String> {
    let most = most.clamp(1, MOST_LINES);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let full = lines.len() == most;
        match lines.last_mut() {
            Some(line) if lines_fit(line, word, size, room) => {
                line.push(' ');
                line.push_str(word);
            }
            // The rest goes on the last line, and is cut there.
            Some(line) if full => {
                *line = shorten(&format!("{line} {word}\u{2026}"), size, room);
                break;
            }
            _ => lines.push(shorten(word, size, room)),
        }
    }
    lines
}

/// Whether a word fits behind a line.
fn lines_fit(line: &str, word: &str, size: f64, room: f64) -> bool {
    width(line, size) + width(" ", size) + width(word, size) <= room
}

/// The text, or as much of it as fits with an ellipsis behind.
pub(super) fn shorten(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let room = room - width("\u{2026}", size);
    let mut kept = String::new();
    for c in text.trim_end_matches('\u{2026}').chars() {
        kept.push(c);
        if width(&kept, size) > room {
            kept.pop();
            break;
        }
    }
    format!("{}\u{2026}", kept.trim_end())
}

/// The text as XML takes it, in content and in quotes; characters that XML forbids are left out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A coordinate: at most two decimals, none that are zero. What is no number becomes 0, so that no picture is broken.
pub(super) fn coordinate(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_wrapped_at_words_and_cut_where_lines_run_out() {
        assert_eq!(wrap("one two three", 10.0, width("one two", 10.0), 5), ["one two", "three"]);
        assert_eq!(wrap("one two three", 10.0, width("one two", 10.0), 1), ["one t\u{2026}"]);
        assert_eq!(wrap("unbreakable", 10.0, width("unbrea", 10.0), 2), ["unbr\u{2026}"]);
        assert!(wrap(" \n ", 10.0, 100.0, 2).is_empty());
    }

    #[test]
    fn a_shortened_text_is_no_wider_than_its_room() {
        for room in [12.0, 30.0, 77.0] {
            let text = shorten("a very long name of a series", 11.0, room);
            assert!(text.ends_with('\u{2026}') && width(&text, 11.0) <= room, "{text}");
        }
        assert_eq!(shorten("short", 11.0, 77.0), "short");
    }

    #[test]
    fn markup_is_escaped_and_forbidden_characters_go() {
        assert_eq!(escape("a<b & \"c\"\u{0}\u{1b}\u{ffff}\n>"), "a&lt;b &amp; &quot;c&quot; &gt;");
    }

    #[test]
    fn a_coordinate_has_two_decimals_and_no_negative_zero() {
        assert_eq!(
            [1.0, 2.5, 1.0 / 3.0, -0.001, f64::NAN, 100.0].map(coordinate),
            ["1", "2.5", "0.33", "0", "0", "100"]
        );
    }
}
