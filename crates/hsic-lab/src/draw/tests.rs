//! Whole pictures: the same bytes, well-formed, inside their borders, nothing over anything else.

use crate::figure::plot::{Axis, Heat, Marks, Panel, Plot, Point, Series, Style};
use proptest::prelude::*;

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
pub(super) fn training() -> Plot {
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

/// Too many series, too few points, values without a place.
fn hostile() -> Plot {
    let many = |i: usize| {
        learning(&format!("number {i} of a series with a long name"), Style::Line, 0.1 + 0.05 * i as f64, 90.0)
    };
    let linear = || Axis::linear("x");
    let one = |series| panel("p", linear(), linear(), series);
    let log = |series| panel("p", Axis::log("x"), Axis::log("y"), series);
    let panels = vec![
        one((0..20).map(many).collect()),
        one(vec![Series::of_seeds("a", Style::Line, [(3.0, vec![1.0, 2.0])])]),
        one(vec![Series::plain("a", Style::Line, [(1.0, 5.0), (2.0, 5.0)])]),
        one(vec![]),
        log(vec![Series::plain("a", Style::Curve, [(0.0, 1.0), (-1.0, 2.0), (1.0, 0.0)])]),
        log(vec![Series::plain("a", Style::Curve, [(1e-200, 1e200), (1e200, 1e-200)])]),
        Panel { marks: Marks::Heat(Heat { values: vec![], row_notes: vec!["a".to_owned()] }), ..one(vec![]) },
        Panel {
            marks: Marks::Heat(Heat { values: vec![vec![], vec![f64::NAN, 2.0]], row_notes: vec![] }),
            ..one(vec![])
        },
        Panel { marks: Marks::Heat(Heat { values: vec![vec![0.123; 90]; 90], row_notes: vec![] }), ..one(vec![]) },
    ];
    plot(3, panels)
}

/// Every sample with its name.
pub(super) fn samples() -> Vec<(&'static str, Plot)> {
    vec![
        ("training", training()),
        ("ridges", ridges()),
        ("tables", tables()),
        ("mixed", mixed()),
        ("single", single()),
        ("hostile", hostile()),
    ]
}

/// Numbers in the drawing commands of the first path of this class.
fn path_numbers(svg: &str, class: &str) -> Vec<f64> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let path = document.descendants().find(|node| node.has_tag_name("path") && node.attribute("class") == Some(class));
    let commands = path.unwrap().attribute("d").unwrap();
    commands.split(['M', 'L', ' ', 'z']).filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect()
}

/// Checks what holds for every picture: XML, no broken numbers, an area.
fn check(svg: &str) {
    let document = roxmltree::Document::parse(svg).unwrap();
    for attribute in document.descendants().flat_map(|node| node.attributes()) {
        let value = attribute.value();
        assert!(!value.contains("NaN") && !value.contains("inf"), "{} = {value}", attribute.name());
    }
    for side in ["width", "height"] {
        let side: f64 = document.root_element().attribute(side).unwrap().parse().unwrap();
        assert!((1.0..1e5).contains(&side), "{side}");
    }
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    for (name, plot) in samples() {
        let svg = super::svg(&plot, name);
        assert_eq!(svg, super::svg(&plot.clone(), name));
        check(&svg);
    }
    check(&svg(&Plot::default(), ""));
}

#[test]
fn known_points_lie_where_the_axes_put_them() {
    let points = [(0.0, 0.0), (5.0, 25.0), (10.0, 100.0)];
    let (x, y) = (Axis::linear("epoch").within(0.0, 10.0), Axis::linear("accuracy (%)").within(0.0, 100.0));
    let svg = svg(&plot(1, vec![panel("p", x, y, vec![Series::plain("", Style::Line, points)])]), "t");
    // The axis begins with its line: from the frame's upper left to its lower left.
    let frame = path_numbers(&svg, "fig-axis");
    let (left, top, bottom) = (frame[0], frame[1], frame[3]);
    assert_eq!((frame[2], bottom - top), (left, 330.0));
    let right = 18.0 + 640.0 - 16.0;
    let line = path_numbers(&svg, "fig-s0");
    let expected = [left, bottom, (left + right) / 2.0, bottom - 82.5, right, top];
    assert!(line.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.011), "{line:?} is not {expected:?}");
    assert_eq!(line.len(), 6);
}

#[test]
fn a_page_can_force_either_theme_and_no_name_is_without_prefix() {
    let svg = svg(&tables(), "t");
    assert!(svg.contains("\n.fig-bg{fill:#ffffff}") && svg.contains("[data-theme=\"dark\"] .fig-bg{fill:#14181f}"));
    assert!(svg.contains("@media (prefers-color-scheme:dark){\n.fig-bg{fill:#14181f}"));
    let document = roxmltree::Document::parse(&svg).unwrap();
    let mut classes = document.descendants().filter_map(|node| node.attribute("class")).flat_map(str::split_whitespace);
    assert!(classes.all(|class| class.starts_with("fig-")));
    assert!(document.descendants().all(|node| !node.has_attribute("id")), "two figures of a page would share it");
}

#[test]
fn twenty_series_a_single_point_equal_values_and_nothing_are_drawn() {
    let svg = svg(&hostile(), "hostile");
    check(&svg);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<&str> =
        document.descendants().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text()).collect();
    assert_eq!(texts.iter().filter(|text| **text == "no values").count(), 3);
    assert!(texts.iter().any(|text| text.starts_with("number 19 of")) && texts.contains(&"a (no values)"));
}

#[test]
fn pixels_of_another_figure_do_not_stay_beside_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    clear(folder.path(), "<svg/>").unwrap();
    std::fs::write(path(SVG), "<svg/>").unwrap();
    std::fs::write(path(PNG), "pixels").unwrap();
    clear(folder.path(), "<svg/>").unwrap();
    assert!(path(PNG).exists(), "they are those of the same figure");
    clear(folder.path(), "<svg></svg>").unwrap();
    assert_eq!(path(PNG).exists(), cfg!(feature = "png"), "they are drawn anew where they can be");
    let names: Vec<_> = files(&svg(&single(), "t")).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, if cfg!(feature = "png") { &[SVG, PNG][..] } else { &[SVG] });
}

/// Numbers of which most break something.
fn number() -> impl Strategy<Value = f64> {
    let extreme =
        [0.0, -0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 5e-324, 1e-300, 1e300];
    prop_oneof![proptest::sample::select(extreme.to_vec()), -10.0..10.0, proptest::num::f64::ANY]
}

/// An axis of any kind.
fn axis() -> impl Strategy<Value = Axis> {
    let names = proptest::collection::vec((number(), "[a-z &<\u{3b2}]{0,40}"), 0..4);
    (any::<bool>(), proptest::option::of((number(), number())), names).prop_map(|(log, range, names)| {
        let axis = if log { Axis::log("x") } else { Axis::linear("x") };
        Axis { range, names, ..axis }
    })
}

/// What can lie in a panel.
fn marks() -> impl Strategy<Value = Marks> {
    let style = proptest::sample::select(vec![Style::Line, Style::Curve, Style::Paper, Style::Guide, Style::Ridge]);
    let point = (number(), number(), number(), number()).prop_map(|(x, y, low, high)| Point { x, y, low, high });
    let series = ("[a-z<\"&]{0,9}", style, proptest::collection::vec(point, 0..5))
        .prop_map(|(name, style, points)| Series { name, style, points });
    let table = proptest::collection::vec(proptest::collection::vec(number(), 0..4), 0..4);
    prop_oneof![
        proptest::collection::vec(series, 0..4).prop_map(Marks::Series),
        table.prop_map(|values| Marks::Heat(Heat { values, row_notes: vec!["note".to_owned()] })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_figure_panics_or_leaves_broken_numbers(
        panels in proptest::collection::vec((axis(), axis(), marks()), 0..4),
        columns in 0_usize..5,
        title in "\\PC{0,90}",
    ) {
        let panel = |(x, y, marks)| Panel { title: title.clone(), x, y, marks };
        let plot = Plot { columns, panels: panels.into_iter().map(panel).collect(), ..Plot::default() };
        check(&svg(&plot, &title));
    }
}

#[test]
fn points_without_a_line_are_all_marked_however_close_they_are() {
    let marks = |style| {
        let series = Series::plain("a", style, [(1.0, 1.0), (1.001, 1.0), (1.0, 1.001), (9.0, 9.0)]);
        let panel = Panel {
            title: String::new(),
            x: Axis::linear("x"),
            y: Axis::linear("y"),
            marks: Marks::Series(vec![series]),
        };
        let svg = svg(&Plot { panels: vec![panel], columns: 1, ..Plot::default() }, "t");
        let lines: Vec<&str> = svg.lines().filter(|line| line.contains("stroke-linejoin")).collect();
        let marked = svg.split("<path").filter(|path| path.contains("fig-full")).map(|path| path.matches('M').count());
        (lines.len(), marked.max())
    };
    assert_eq!((marks(Style::Line), marks(Style::Points)), ((1, Some(2)), (0, Some(4))));
}

/// A figure of curves over epochs.
fn curves(series: Vec<Series>) -> Plot {
    plot(1, vec![panel("", Axis::linear("epoch"), Axis::linear("loss"), series)])
}

fn line(name: &str, points: &[(f64, f64)]) -> Series {
    Series::plain(name, Style::Line, points.iter().copied())
}

#[test]
fn a_place_has_the_values_of_all_curves_and_a_figure_that_stands_alone_has_none() {
    let plot = curves(vec![line("a<", &[(1.0, 0.5), (2.0, 0.25)]), line("b", &[(1.0, -12.345_678)])]);
    let text = readable(&plot, "t");
    assert!(roxmltree::Document::parse(&text).is_ok());
    assert_eq!(text.matches("<g class=\"fig-spot\"").count(), 2);
    assert!(text.contains(">epoch 1<tspan") && text.contains(">a&lt; 0.5</tspan>"), "{text}");
    assert!(text.contains(">b \u{2212}12.346</tspan></text>"), "{text}");
    assert!(!svg(&plot, "t").contains("fig-spot"));
}

#[test]
fn columns_fill_the_frame_and_a_few_are_stops() {
    let points: Vec<(f64, f64)> = (1..=100).map(|epoch| (f64::from(epoch), 1.0)).collect();
    let text = readable(&curves(vec![line("a", &points)]), "t");
    assert_eq!((text.matches("class=\"fig-spot\"").count(), text.matches("tabindex").count()), (100, 10));
    let document = roxmltree::Document::parse(&text).unwrap();
    let number = |node: &roxmltree::Node<'_, '_>, name| node.attribute(name).unwrap().parse::<f64>().unwrap();
    let columns: Vec<(f64, f64)> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("fig-spot"))
        .map(|node| node.first_element_child().unwrap())
        .map(|rect| (number(&rect, "x"), number(&rect, "width")))
        .collect();
    for pair in columns.windows(2) {
        assert!((pair[0].0 + pair[0].1 - pair[1].0).abs() < 0.02, "{pair:?}");
    }
    // The last place can be reached.
    assert!(text.rfind("tabindex").unwrap() > text.rfind("epoch 99").unwrap());
}

#[test]
fn curves_over_places_of_their_own_have_no_columns() {
    let apart = curves(vec![line("a", &[(1.0, 1.0), (2.0, 1.0)]), line("b", &[(1.5, 1.0), (2.5, 1.0)])]);
    assert!(!readable(&apart, "t").contains("<g class=\"fig-spot\""));
    let many: Vec<(f64, f64)> = (0..=200).map(|epoch| (f64::from(epoch), 1.0)).collect();
    assert!(!readable(&curves(vec![line("a", &many)]), "t").contains("<g class=\"fig-spot\""));
    let points = Series::plain("a", Style::Points, [(1.0, 1.0)]);
    assert!(!readable(&curves(vec![points]), "t").contains("<g class=\"fig-spot\""));
}
