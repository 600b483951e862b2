//! Pictures as pixels: text in its place, the same bytes.

use crate::figure::plot::Plot;
use resvg::tiny_skia::Pixmap;
use resvg::usvg::{Group, Node, Rect};

use super::error::DrawError;
use super::raster::{png, tree};
use super::tests::{samples, training};
use super::{pdf, svg, text};

/// Writes the samples for the eye, and for other programs that read PDF (`.ci/features`): `HSIC_SAMPLES=folder cargo test -p hsic-lab --features png draw -- --ignored`.
#[test]
#[ignore = "writes files to look at"]
fn samples_are_written() {
    let folder = std::path::PathBuf::from(std::env::var("HSIC_SAMPLES").unwrap());
    for (name, plot) in samples() {
        let svg = svg(&plot, &format!("Sample of {name}: accuracy of networks trained without back-propagation"));
        std::fs::write(folder.join(format!("{name}.png")), png(&svg, 2.0).unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.pdf")), pdf(&plot, 234.0).unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.svg")), svg).unwrap();
    }
}

/// Boxes of the picture's texts, a little lower than the font's full height; sloped and upright ones are left out unless
/// `all`.
fn text_boxes(svg: &str, all: bool) -> Vec<(String, Rect)> {
    fn walk(group: &Group, all: bool, found: &mut Vec<(String, Rect)>) {
        for node in group.children() {
            match node {
                Node::Group(group) => walk(group, all, found),
                Node::Text(text) if all || text.abs_transform().kx == 0.0 => {
                    let b = text.abs_bounding_box();
                    let rect = Rect::from_xywh(b.x(), b.y() + 0.2 * b.height(), b.width(), 0.6 * b.height()).unwrap();
                    found.push((text.chunks().iter().map(|chunk| chunk.text()).collect(), rect));
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(tree(svg).unwrap().root(), all, &mut found);
    found
}

#[test]
fn the_same_picture_gives_the_same_pixels() {
    let svg = svg(&training(), "twice");
    assert_eq!(png(&svg, 1.0).unwrap(), png(&svg, 1.0).unwrap());
}

#[test]
fn no_text_is_cut_off_or_lies_on_another() {
    for (name, plot) in samples() {
        let svg = svg(&plot, &format!("Sample of {name}, with a title of some length"));
        let size = tree(&svg).unwrap().size();
        for (text, b) in text_boxes(&svg, true) {
            let inside = b.left() >= 0.0 && b.top() >= 0.0 && b.right() <= size.width() && b.bottom() <= size.height();
            assert!(inside, "{name}: {text} is at {b:?} in {size:?}");
        }
        let boxes = text_boxes(&svg, false);
        for (index, (text, a)) in boxes.iter().enumerate() {
            for (other, b) in &boxes[..index] {
                let apart =
                    a.left() >= b.right() || b.left() >= a.right() || a.top() >= b.bottom() || b.top() >= a.bottom();
                assert!(apart, "{name}: {text} at {a:?} lies on {other} at {b:?}");
            }
        }
    }
}

#[test]
fn no_text_is_wider_than_it_was_taken_for() {
    let words = [
        "back-propagation",
        "HSIC (paper)",
        "0.001",
        "\u{2212}10\u{2009}000",
        "test accuracy (%)",
        "WMWM \u{3b2}\u{2026}",
    ];
    for word in words {
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='400' height='40'><text y='20' font-size='20'>{word}</text></svg>"
        );
        let real = f64::from(text_boxes(&svg, true)[0].1.width());
        let taken = text::width(word, 20.0);
        assert!((real..1.25 * real).contains(&taken), "{word}: {real} pixels, taken for {taken}");
    }
}

#[test]
fn a_png_has_the_pixels_of_the_picture_and_shows_its_title_in_the_light_look() {
    let svg = svg(&training(), "Title");
    let size = tree(&svg).unwrap().size();
    let pixmap = Pixmap::decode_png(&png(&svg, 2.0).unwrap()).unwrap();
    assert_eq!((pixmap.width(), pixmap.height()), (2 * size.width() as u32, 2 * size.height() as u32));
    let gray = |x, y| pixmap.pixel(x, y).map(|pixel| pixel.green()).unwrap();
    assert_eq!(gray(0, 0), 255, "the ground is white");
    let dark = (36..140).flat_map(|x| (36..72).map(move |y| (x, y))).filter(|&(x, y)| gray(x, y) < 100).count();
    assert!((300..1500).contains(&dark), "{dark} dark pixels in the title");
}

#[test]
fn a_picture_without_sense_is_an_error() {
    assert!(matches!(png("<html/>", 1.0), Err(DrawError::Svg { .. })));
    let svg = svg(&Plot::default(), "");
    for scale in [0.0, f32::NAN, 1e6] {
        assert!(matches!(png(&svg, scale), Err(DrawError::Size { .. })), "{scale}");
    }
}
