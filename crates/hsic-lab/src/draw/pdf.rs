//! A picture as PDF (ISO 32000-1): one page of its size, lines and areas as they are, text as the outlines of its letters, so
//! that it looks the same wherever it is opened and needs no font.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use resvg::tiny_skia::{Path, PathSegment};
use resvg::usvg::{FillRule, Group, LineCap, LineJoin, Node, Paint, PaintOrder, Stroke, Transform};

use super::error::DrawError;
use super::raster::tree;

/// What is drawn, and the transparencies that it asks for.
#[derive(Default)]
struct Content {
    text: String,
    /// In steps of 1 / 1000.
    alphas: Vec<u16>,
}

/// A picture, in its light look, on a page `points` (1/72 inch) wide. The same picture gives the same bytes.
///
/// # Errors
/// The text is no SVG, or has what figures do not: images, gradients, masks.
pub(super) fn pdf(svg: &str, points: f64) -> Result<Vec<u8>, DrawError> {
    let tree = tree(svg)?;
    let (width, height) = (f64::from(tree.size().width()), f64::from(tree.size().height()));
    let scale = points / width;
    let (page_width, page_height) = (number(points), number(scale * height));
    let mut content = Content::default();
    // An SVG counts from the top, a page from below.
    let _ = writeln!(content.text, "{} 0 0 {} 0 {page_height} cm", number(scale), number(-scale));
    content.group(tree.root())?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(content.text.as_bytes()).and_then(|()| encoder.finish());
    let packed = packed.map_err(|error| DrawError::Pdf { found: error.to_string() })?;
    let states: String = content
        .alphas
        .iter()
        .map(|&alpha| {
            let share = number(f64::from(alpha) / 1000.0);
            format!("/A{alpha} << /ca {share} /CA {share} >> ")
        })
        .collect();
    let mut stream = format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", packed.len()).into_bytes();
    stream.extend(packed);
    stream.extend(b"\nendstream");
    let page = format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {page_width} {page_height}] /Contents 4 0 R /Resources << /ExtGState \
         << {states}>> >> >>"
    );
    Ok(file(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        page.into_bytes(),
        stream,
    ]))
}

/// Objects, numbered from 1, as a file: each where the table at its end says.
fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    // The second line tells programs that the file is no text.
    let mut bytes = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(bytes.len());
        bytes.extend(format!("{} 0 obj\n", index + 1).into_bytes());
        bytes.extend(object);
        bytes.extend(b"\nendobj\n");
    }
    let table = bytes.len();
    let mut text = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        let _ = writeln!(text, "{place:010} 00000 n ");
    }
    let _ = write!(text, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    bytes.extend(text.into_bytes());
    bytes
}

/// A number as PDF has it: without a power of ten, to a thousandth.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

impl Content {
    fn group(&mut self, group: &Group) -> Result<(), DrawError> {
        let strange = group.clip_path().is_some() || group.mask().is_some() || !group.filters().is_empty();
        if strange || group.opacity().get() < 1.0 {
            return Err(DrawError::Pdf { found: "a clipped, masked, filtered or transparent group".to_owned() });
        }
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group)?,
                // The letters are set, and stand here as outlines.
                Node::Text(text) => self.group(text.flattened())?,
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

    /// A path in a color, with the operators that set it and that paint.
    fn painted(
        &mut self,
        path: &Path,
        (paint, opacity): (&Paint, f32),
        at: Transform,
        (color, paints): (&str, &str),
        look: &str,
    ) -> Result<(), DrawError> {
        let Paint::Color(own) = paint else {
            return Err(DrawError::Pdf { found: "a gradient or a pattern".to_owned() });
        };
        let alpha = (1000.0 * opacity).round() as u16;
        if !self.alphas.contains(&alpha) {
            self.alphas.push(alpha);
        }
        let numbers =
            |values: &[f32]| values.iter().map(|&value| number(f64::from(value))).collect::<Vec<_>>().join(" ");
        let shades = [own.red, own.green, own.blue].map(|part| f32::from(part) / 255.0);
        let _ = writeln!(self.text, "q /A{alpha} gs {} {color}", numbers(&shades));
        if !at.is_identity() {
            let _ = writeln!(self.text, "{} cm", numbers(&[at.sx, at.ky, at.kx, at.sy, at.tx, at.ty]));
        }
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

    /// What a file draws.
    fn drawn(file: &[u8]) -> String {
        let find = |what: &[u8]| file.windows(what.len()).position(|window| window == what).unwrap();
        let (begin, end) = (find(b"stream\n") + 7, find(b"\nendstream"));
        let mut text = String::new();
        ZlibDecoder::new(&file[begin..end]).read_to_string(&mut text).unwrap();
        text
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
    fn every_figure_has_its_letters_as_outlines_at_any_width() {
        for (name, plot) in samples() {
            for points in [234.0, 468.0] {
                let file = of_plot(&plot, points).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(text(&file).contains(&format!("/MediaBox [0 0 {points} ")), "{name}");
                assert!(drawn(&file).matches(" c\n").count() > 100, "{name}: letters have curves");
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
