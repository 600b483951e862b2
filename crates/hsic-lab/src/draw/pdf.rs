//! A picture as PDF (ISO 32000-1): one page of its size, lines and areas as they are, text in fonts that the file carries, so
//! that it looks the same wherever it is opened and can be searched.

mod letters;
mod syntax;

use std::fmt::Write as _;

use resvg::tiny_skia::{Path, PathSegment};
use resvg::usvg::{FillRule, Group, LineCap, LineJoin, Node, Paint, PaintOrder, Stroke, Text, Transform};

use super::error::DrawError;
use super::raster::tree;
use letters::Letters;
use syntax::{file, number, numbers, stream};

/// What is drawn, and the transparencies and fonts that it asks for.
struct Content<'t> {
    text: String,
    /// In steps of 1 / 1000.
    alphas: Vec<u16>,
    letters: Letters<'t>,
}

/// The number of the first object of the first font: behind the catalog, the pages, the page and what it shows.
const FIRST_FONT: usize = 5;

/// A picture, in its light look, on a page `points` (1/72 inch) wide. The same picture gives the same bytes.
///
/// # Errors
/// The text is no SVG, or has what figures do not: images, gradients, masks, text with an outline.
pub(super) fn pdf(svg: &str, points: f64) -> Result<Vec<u8>, DrawError> {
    let tree = tree(svg)?;
    let (width, height) = (f64::from(tree.size().width()), f64::from(tree.size().height()));
    let scale = points / width;
    let (page_width, page_height) = (number(points), number(scale * height));
    let mut content = Content { text: String::new(), alphas: Vec::new(), letters: Letters::new(&tree) };
    // An SVG counts from the top, a page from below.
    let _ = writeln!(content.text, "{} 0 0 {} 0 {page_height} cm", number(scale), number(-scale));
    content.group(tree.root())?;
    let states: String = content
        .alphas
        .iter()
        .map(|&alpha| {
            let share = number(f64::from(alpha) / 1000.0);
            format!("/A{alpha} << /ca {share} /CA {share} >> ")
        })
        .collect();
    let page = format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {page_width} {page_height}] /Contents 4 0 R /Resources << /ExtGState \
         << {states}>> /Font << {}>> >> >>",
        content.letters.names(FIRST_FONT)
    );
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        page.into_bytes(),
        stream(content.text.as_bytes(), "")?,
    ];
    objects.extend(content.letters.objects(FIRST_FONT)?);
    Ok(file(&objects))
}

impl Content<'_> {
    fn group(&mut self, group: &Group) -> Result<(), DrawError> {
        let strange = group.clip_path().is_some() || group.mask().is_some() || !group.filters().is_empty();
        if strange || group.opacity().get() < 1.0 {
            return Err(DrawError::Pdf { found: "a clipped, masked, filtered or transparent group".to_owned() });
        }
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group)?,
                Node::Text(text) => self.words(text)?,
                Node::Path(path) if path.is_visible() => {
                    let at = path.abs_transform();
                    let strokes = |content: &mut Self| match path.stroke() {
                        Some(stroke) => content.stroked(path.data(), stroke, at),
                        None => Ok(()),
                    };
                    let fills = |content: &mut Self| match path.fill() {
                        Some(fill) => {
                            let rule = if fill.rule() == FillRule::EvenOdd { "f*" } else { "f" };
                            content.painted(path.data(), (fill.paint(), fill.opacity().get()), at, ("rg", rule), "")
                        }
                        None => Ok(()),
                    };
                    if path.paint_order() == PaintOrder::FillAndStroke {
                        fills(self)?;
                        strokes(self)?;
                    } else {
                        strokes(self)?;
                        fills(self)?;
                    }
                }
                Node::Path(_) => {}
                Node::Image(_) => return Err(DrawError::Pdf { found: "an image".to_owned() }),
            }
        }
        Ok(())
    }

    fn words(&mut self, text: &Text) -> Result<(), DrawError> {
        for span in text.layouted().iter().filter(|span| span.visible) {
            if span.stroke.is_some()
                || [&span.underline, &span.overline, &span.line_through].iter().any(|line| line.is_some())
            {
                return Err(DrawError::Pdf { found: "text with an outline or a line".to_owned() });
            }
            let Some(fill) = &span.fill else { continue };
            self.colored((fill.paint(), fill.opacity().get()), text.abs_transform(), "rg")?;
            self.text.push_str("BT\n");
            let shown = self.letters.shown(&span.positioned_glyphs)?;
            self.text.push_str(&shown);
            self.text.push_str("ET Q\n");
        }
        Ok(())
    }

    fn stroked(&mut self, path: &Path, stroke: &Stroke, at: Transform) -> Result<(), DrawError> {
        let cap = match stroke.linecap() {
            LineCap::Butt => 0,
            LineCap::Round => 1,
            LineCap::Square => 2,
        };
        let join = match stroke.linejoin() {
            LineJoin::Miter | LineJoin::MiterClip => 0,
            LineJoin::Round => 1,
            LineJoin::Bevel => 2,
        };
        let dashes: Vec<String> =
            stroke.dasharray().unwrap_or_default().iter().map(|&dash| number(f64::from(dash))).collect();
        let look = format!(
            "{} w {cap} J {join} j {} M [{}] {} d\n",
            number(f64::from(stroke.width().get())),
            number(f64::from(stroke.miterlimit().get())),
            dashes.join(" "),
            number(f64::from(stroke.dashoffset()))
        );
        self.painted(path, (stroke.paint(), stroke.opacity().get()), at, ("RG", "S"), &look)
    }

    /// Begins what is drawn in a color and an opacity, by the operator that sets it, at its place.
    fn colored(&mut self, (paint, opacity): (&Paint, f32), at: Transform, color: &str) -> Result<(), DrawError> {
        let Paint::Color(own) = paint else {
            return Err(DrawError::Pdf { found: "a gradient or a pattern".to_owned() });
        };
        let alpha = (1000.0 * opacity).round() as u16;
        if !self.alphas.contains(&alpha) {
            self.alphas.push(alpha);
        }
        let shades = [own.red, own.green, own.blue].map(|part| f32::from(part) / 255.0);
        let _ = writeln!(self.text, "q /A{alpha} gs {} {color}", numbers(&shades));
        if !at.is_identity() {
            let _ = writeln!(self.text, "{} cm", numbers(&[at.sx, at.ky, at.kx, at.sy, at.tx, at.ty]));
        }
        Ok(())
    }

    /// A path in a color, with the operators that set it and that paint.
    fn painted(
        &mut self,
        path: &Path,
        paint: (&Paint, f32),
        at: Transform,
        (color, paints): (&str, &str),
        look: &str,
    ) -> Result<(), DrawError> {
        self.colored(paint, at, color)?;
        self.text.push_str(look);
        let mut last = (0.0f32, 0.0f32);
        for segment in path.segments() {
            let line = match segment {
                PathSegment::MoveTo(p) => format!("{} m", numbers(&[p.x, p.y])),
                PathSegment::LineTo(p) => format!("{} l", numbers(&[p.x, p.y])),
                PathSegment::QuadTo(c, p) => {
                    // The same curve of the third degree.
                    let toward = |end: f32, middle: f32| end + 2.0 / 3.0 * (middle - end);
                    let (a, b) = ((toward(last.0, c.x), toward(last.1, c.y)), (toward(p.x, c.x), toward(p.y, c.y)));
                    format!("{} c", numbers(&[a.0, a.1, b.0, b.1, p.x, p.y]))
                }
                PathSegment::CubicTo(a, b, p) => format!("{} c", numbers(&[a.x, a.y, b.x, b.y, p.x, p.y])),
                PathSegment::Close => "h".to_owned(),
            };
            if let PathSegment::MoveTo(p)
            | PathSegment::LineTo(p)
            | PathSegment::QuadTo(_, p)
            | PathSegment::CubicTo(_, _, p) = segment
            {
                last = (p.x, p.y);
            }
            self.text.push_str(&line);
            self.text.push('\n');
        }
        let _ = writeln!(self.text, "{paints} Q");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::super::{at_width, pdf as of_plot};
    use super::*;
    use crate::draw::tests::samples;

    const SMALL: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'>\
        <rect x='10' y='20' width='30' height='40' fill='#ff0000' fill-opacity='0.5'/>\
        <path d='M0 0 Q 30 60 90 0' fill='none' stroke='#000' stroke-width='2' stroke-dasharray='4 2'/></svg>";

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// The streams of a file, unpacked: what it draws, and for each font its glyphs and what they read as.
    fn streams(file: &[u8]) -> Vec<Vec<u8>> {
        let find = |from: usize, what: &[u8]| {
            file[from..].windows(what.len()).position(|window| window == what).map(|place| from + place)
        };
        let (mut all, mut from) = (Vec::new(), 0);
        while let Some(begin) = find(from, b">>\nstream\n") {
            let end = find(begin, b"\nendstream").unwrap();
            let mut bytes = Vec::new();
            ZlibDecoder::new(&file[begin + 10..end]).read_to_end(&mut bytes).unwrap();
            all.push(bytes);
            from = end;
        }
        all
    }

    /// What a file draws.
    fn drawn(file: &[u8]) -> String {
        text(&streams(file)[0])
    }

    /// What a file's text reads as: lines of glyphs, looked up in what their font's glyphs read as.
    fn read(file: &[u8]) -> Vec<String> {
        let streams = streams(file);
        let readings: Vec<HashMap<String, String>> = streams[1..]
            .chunks(2)
            .map(|font| {
                let pairs = text(&font[1]);
                let pairs = pairs.lines().filter(|line| line.starts_with('<') && line != &"<0000> <ffff>");
                pairs
                    .map(|line| {
                        let (glyph, reads) = line.trim_matches(['<', '>']).split_once("> <").unwrap();
                        let units =
                            reads.as_bytes().chunks(4).map(|four| u16::from_str_radix(&text(four), 16).unwrap());
                        (glyph.to_owned(), String::from_utf16(&units.collect::<Vec<_>>()).unwrap())
                    })
                    .collect()
            })
            .collect();
        let mut lines = Vec::new();
        for line in text(&streams[0]).lines().filter(|line| line.ends_with("TJ")) {
            let font: usize = line[2..].split(' ').next().unwrap().parse().unwrap();
            let glyphs = line.split(['<', '>']).skip(1).step_by(2);
            let glyphs = glyphs.flat_map(|run| run.as_bytes().chunks(4).map(text));
            lines.push(glyphs.map(|glyph| readings[font][&glyph].clone()).collect());
        }
        lines
    }

    /// The advance width of a glyph in the part of a font that a file carries, in thousandths of an em.
    fn advance_of(font: &[u8], glyph: usize) -> f64 {
        let pair = |at: usize| u16::from_be_bytes([font[at], font[at + 1]]);
        let table = |tag: &[u8]| {
            let record = (12..).step_by(16).find(|&at| &font[at..at + 4] == tag).unwrap();
            usize::from(pair(record + 10)) + (usize::from(pair(record + 8)) << 16)
        };
        1000.0 * f64::from(pair(table(b"hmtx") + 4 * glyph)) / f64::from(pair(table(b"head") + 18))
    }

    #[test]
    fn a_page_has_the_width_that_was_asked_for_and_its_objects_lie_where_the_table_says() {
        let file = pdf(SMALL, 50.0).unwrap();
        assert_eq!(file, pdf(SMALL, 50.0).unwrap());
        let all = text(&file);
        assert!(file.starts_with(b"%PDF-1.4\n") && all.ends_with("%%EOF\n"), "{all}");
        assert!(all.contains("/MediaBox [0 0 50 25]"), "{all}");
        assert!(all.contains("/A500 << /ca 0.5 /CA 0.5 >>") && all.contains("/A1000 << /ca 1 /CA 1 >>"), "{all}");
        let start: usize = all.split("startxref\n").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let table = text(&file[start..]);
        assert!(table.starts_with("xref\n0 5\n"), "{table}");
        for (index, line) in table.lines().skip(3).take(4).enumerate() {
            let place: usize = line[..10].parse().unwrap();
            assert!(file[place..].starts_with(format!("{} 0 obj\n", index + 1).as_bytes()), "{line}");
        }
    }

    #[test]
    fn lines_and_areas_are_drawn_as_they_are() {
        let drawn = drawn(&pdf(SMALL, 50.0).unwrap());
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[0], "0.25 0 0 -0.25 0 25 cm");
        assert_eq!(lines[1], "q /A500 gs 1 0 0 rg");
        assert!(lines.contains(&"10 20 m") && lines.contains(&"40 60 l") && lines.contains(&"f Q"), "{drawn}");
        assert!(lines.contains(&"2 w 0 J 0 j 4 M [4 2] 0 d"), "{drawn}");
        // (0, 0), (30, 60), (90, 0) raised in degree.
        assert!(lines.contains(&"20 40 50 40 90 0 c"), "{drawn}");
    }

    #[test]
    fn text_is_text_in_a_font_of_the_file() {
        let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'>\
            <text x='10' y='20' font-size='20'>AVAVA &#946; 5%</text>\
            <text x='10' y='60' font-size='10' font-weight='bold' transform='rotate(-90 10 60)'>AA</text></svg>";
        let file = pdf(svg, 100.0).unwrap();
        assert_eq!(read(&file), ["AVAVA \u{3b2} 5%", "AA"]);
        let all = text(&file);
        for name in ["+NotoSans ", "+NotoSans-Bold "] {
            let place = all.find(name).unwrap_or_else(|| panic!("{name}: {all}"));
            assert!(all[place - 6..place].bytes().all(|letter| letter.is_ascii_uppercase()), "{all}");
        }
        assert_eq!(all.matches("/FontFile2").count(), 2);
        // Widths of the page's fonts are those of its glyphs, in thousandths of an em: A, V, space, beta, 5 and percent.
        let font = &streams(&file)[1];
        let widths: Vec<f64> = (1..=6).map(|glyph| advance_of(font, glyph)).collect();
        assert_eq!(widths[..3].iter().map(|width| width.round()).collect::<Vec<_>>(), [639.0, 600.0, 260.0]);
        let told: Vec<String> = widths.iter().map(|&width| number(width)).collect();
        assert!(all.contains(&format!(" {}]", told.join(" "))), "{told:?} in {all}");
        // The line begins where the picture has it, and its pairs are as close as the font wants them: by 40 of 2,048 units.
        let drawn = drawn(&file);
        assert!(drawn.contains("/F0 20 Tf 1 0 0 -1 10 20 Tm [<0001> 20 <0002> 19 <0001> 20 <0002>"), "{drawn}");
        assert!(drawn.contains("0 -1 1 0 -50 70 cm\nBT\n/F1 10 Tf 1 0 0 -1 10 60 Tm "), "{drawn}");
        assert!(pdf(&svg.replace("font-size='20'", "font-size='20' stroke='red'"), 100.0).is_err());
    }

    #[test]
    fn every_figure_says_its_axes_at_any_width() {
        for (name, plot) in samples() {
            for points in [234.0, 468.0] {
                let file = of_plot(&plot, points).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(text(&file).contains(&format!("/MediaBox [0 0 {points} ")), "{name}");
                let lines = read(&file);
                for label in plot.panels.iter().flat_map(|panel| [&panel.x.label, &panel.y.label]) {
                    let word = label.split_whitespace().next().unwrap_or_default();
                    assert!(lines.iter().any(|line| line.contains(word)), "{name}: {word} in {lines:?}");
                }
                // What is laid out for a width is as wide.
                let svg = at_width(&plot, "", points);
                assert!((f64::from(tree(&svg).unwrap().size().width()) - points / 0.75).abs() < 0.01, "{name}");
            }
        }
    }

    #[test]
    fn what_a_figure_does_not_have_is_told() {
        for (body, told) in [
            ("<g opacity='0.5'><rect width='5' height='5'/><rect width='9' height='9'/></g>", "transparent group"),
            (
                "<defs><linearGradient id='a'><stop offset='0' stop-color='red'/><stop offset='1' stop-color='blue'/></linearGradient></defs><rect width='5' height='5' fill='url(#a)'/>",
                "a gradient",
            ),
        ] {
            let svg = format!("<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'>{body}</svg>");
            let error = pdf(&svg, 10.0).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(matches!(pdf("<html/>", 10.0), Err(DrawError::Svg { .. })));
    }
}
