//! Whole pictures: the same bytes, well-formed, inside their borders, nothing over anything else.

use hsic_bottleneck::figure::plot::{Axis, Heat, Marks, Panel, Plot, Point, Series, Style};
use proptest::prelude::*;
use resvg::tiny_skia::Pixmap;
use resvg::usvg::{Group, Node, Rect, roxmltree};

use super::*;

/// A panel of series.
fn panel(title: &str, x: Axis, y: Axis, series: Vec<Series>) -> Panel {
    Panel { title: title.to_owned(), x, y, marks: Marks::Series(series) }
}

/// A figure of panels.
fn plot(columns: usize, panels: Vec<Panel>) -> Plot {
    Plot { caption: "Five seeds each, batch 256, learning rate 0.001.".to_owned(), panels, columns, ..Plot::default() }
}

/// A learning curve with a band.
fn learning(name: &str, style: Style, rate: f64, top: f64) -> Series {
    let at = |epoch: f64, seed: f64| top * (1.0 - (-rate * (epoch + 0.3 * seed)).exp()) + 0.6 * seed;
    Series::of_seeds(name, style, (0..=10).map(f64::from).map(|e| (e, vec![at(e, 0.0), at(e, 1.0), at(e, 2.0)])))
}

/// Six panels of training curves beside the paper's.
fn training() -> Plot {
    let panels = ["MNIST", "Fashion-MNIST", "CIFAR-10"].into_iter().flat_map(|data| {
        ["2 hidden layers", "20 hidden layers"].into_iter().enumerate().map(move |(index, depth)| {
            let rate = 1.2 - 0.4 * index as f64;
            let series = vec![
                learning("HSIC", Style::Line, rate, 92.0),
                learning("back-propagation", Style::Line, 0.4 * rate, 90.0),
                Series::plain(
                    "HSIC (paper)",
                    Style::Paper,
                    (0..=10).map(|e| (f64::from(e), 93.0 - 40.0 / f64::from(e + 1))),
                ),
                Series::plain("chance", Style::Guide, [(0.0, 10.0), (10.0, 10.0)]),
            ];
            let y = Axis::linear("test accuracy (%)").within(0.0, 100.0);
            panel(&format!("{data}, {depth}"), Axis::linear("epoch"), y, series)
        })
    });
    plot(3, panels.collect())
}

/// Densities of ten classes above each other.
fn ridges() -> Plot {
    let series = |class: usize| {
        let base = class as f64;
        let density = |x: f64| {
            let bump = |center: f64, width: f64| (-((x - center) / width).powi(2)).exp();
            1.6 * bump(0.25 * base - 1.0, 0.5) + 0.5 * bump(1.5 - 0.2 * base, 0.25)
        };
        let point = |i: i32| {
            let x = f64::from(i) / 20.0;
            Point { x, y: base + density(x), low: base, high: base + density(x) }
        };
        Series { name: format!("digit {class}"), style: Style::Ridge, points: (-60..=60).map(point).collect() }
    };
    let y = || Axis::linear("class").named((0..10).map(|class| format!("digit {class}")));
    let one = |title: &str| panel(title, Axis::linear("activation"), y(), (0..10).map(series).collect());
    plot(2, vec![one("HSIC"), one("back-propagation")])
}

/// Tables of ten by ten shades.
fn tables() -> Plot {
    let heat = |scale: f64| {
        let cell = |i: usize, j: usize| {
            scale * if i == j { 0.9 + 0.01 * i as f64 } else { ((i * 7 + j * 3) % 10) as f64 / 15.0 }
        };
        Marks::Heat(Heat {
            values: (0..10).map(|i| (0..10).map(|j| cell(i, j)).collect()).collect(),
            row_notes: (0..10).map(|i| format!("{} %", 90 + i)).collect(),
        })
    };
    let names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let table = |title: &str, scale, x: Axis, y: Axis| Panel { title: title.to_owned(), x, y, marks: heat(scale) };
    let (x, y) = (|| Axis::linear("winning unit"), || Axis::linear("class").named(names));
    plot(
        2,
        vec![
            table("share of a class", 1.0, x(), y()),
            table("counts", 1000.0, Axis::linear("predicted").named(names), y()),
        ],
    )
}

/// Logarithmic axes, twelve series, named axes.
fn mixed() -> Plot {
    let law = |name: &str, style, power: f64| {
        Series::plain(name, style, (0..=12).map(|i| 10_f64.powf(f64::from(i) / 4.0)).map(|m| (m, 1e-3 * m.powf(power))))
    };
    let scaling = panel(
        "time of a step",
        Axis::log("batch size (samples)"),
        Axis::log("time (s)"),
        vec![
            law("exact", Style::Line, 2.0),
            law("Nystr\u{f6}m", Style::Line, 1.1),
            law("random features", Style::Curve, 0.9),
            law("m\u{b2}", Style::Guide, 2.05),
        ],
    );
    let wave = |k: i32| {
        let points = (0..60).map(move |i| (f64::from(i) / 10.0, (f64::from(i) / 10.0 + 0.5 * f64::from(k)).sin()));
        Series::plain(&format!("series number {k}"), if k % 2 == 0 { Style::Line } else { Style::Curve }, points)
    };
    let waves = panel("twelve series", Axis::linear("time (s)"), Axis::linear("sin"), (0..12).map(wave).collect());
    let methods = ["HSIC", "back-propagation", "feedback alignment", "predsim", "forward-forward"];
    let single = |i: usize| {
        Series::of_seeds(methods[i], Style::Line, [(i as f64, vec![90.0 - i as f64, 94.0 - 2.0 * i as f64])])
    };
    let bars = panel(
        "accuracy by method",
        Axis::linear("method").named(methods),
        Axis::linear("test accuracy (%)"),
        (0..5).map(single).collect(),
    );
    let long = panel(
        "A panel whose title is so long that it does not fit on one line, and that has \u{3b2} and \u{3c3}\u{b2} in it",
        Axis::linear("\u{3b2}"),
        Axis::linear("nHSIC(Z, X) \u{2212} \u{3b2} nHSIC(Z, Y), summed over all layers of the network (no unit)"),
        vec![
            learning(
                "a series with a name that is far too long to be shown beside or above anything at all",
                Style::Curve,
                1e-3,
                1e7,
            ),
            Series::plain("", Style::Guide, []),
            Series::plain("diverged", Style::Line, [(1.0, f64::NAN)]),
        ],
    );
    plot(2, vec![scaling, waves, bars, long])
}

/// One panel, with names at the lines' ends.
fn single() -> Plot {
    let series = vec![
        learning("HSIC", Style::Line, 0.9, 92.0),
        learning("back-propagation", Style::Line, 0.5, 70.0),
        learning("predsim", Style::Curve, 0.3, 80.0),
        Series::plain("HSIC (paper)", Style::Paper, (0..=10).map(|e| (f64::from(e), 95.0 - 40.0 / f64::from(e + 1)))),
    ];
    plot(1, vec![panel("MNIST", Axis::linear("epoch"), Axis::linear("test accuracy (%)"), series)])
}

/// Every sample with its name.
fn samples() -> Vec<(&'static str, Plot)> {
    vec![("training", training()), ("ridges", ridges()), ("tables", tables()), ("mixed", mixed()), ("single", single())]
}

/// Writes the samples for the eye: `HSIC_SAMPLES=folder cargo test -p hsic-cli draw -- --ignored`.
#[test]
#[ignore = "writes files to look at"]
fn samples_are_written() {
    let folder = std::path::PathBuf::from(std::env::var("HSIC_SAMPLES").unwrap());
    for (name, plot) in samples() {
        let svg = svg(&plot, &format!("Sample of {name}: accuracy of networks trained without back-propagation"));
        std::fs::write(folder.join(format!("{name}.png")), png(&svg, 2.0).unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.svg")), svg).unwrap();
    }
}
