//! The figures, in the smallest profile.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use crate::{Place, bytes, stderr, unseal};

/// All figures, made once for all tests here.
fn all() -> &'static (Place, Value) {
    static ALL: OnceLock<(Place, Value)> = OnceLock::new();
    ALL.get_or_init(|| {
        let place = Place::new();
        let made = place.json("reproduce all --profile smoke --quiet --json");
        (place, made)
    })
}

fn names() -> Vec<String> {
    let names = all().1["figures"].as_array().expect("a list");
    names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

fn record(place: &Place, name: &str) -> Value {
    let path = place.path(&format!("reproduction/smoke/figures/{name}/figure.json"));
    serde_json::from_slice(&bytes(&path)).expect("a record")
}

#[test]
fn every_figure_has_its_files_and_says_what_it_is_made_of() {
    let (place, made) = all();
    assert_eq!(names().len(), 14);
    assert_eq!((made["profile"].as_str(), made["outside"].as_u64()), (Some("smoke"), Some(0)));
    for name in names() {
        let folder = place.path(&format!("reproduction/smoke/figures/{name}"));
        let read = |file: &str| String::from_utf8(bytes(&folder.join(file))).expect("text");
        assert!(read("figure.svg").starts_with("<svg "), "{name}");
        let png = folder.join("figure.png");
        assert_eq!(png.exists(), cfg!(feature = "png"), "{name}");
        assert!(!png.exists() || bytes(&png).starts_with(b"\x89PNG"), "{name}");
        assert!(read("config.toml").contains("[[training]]"), "{name}");
        let record = record(place, &name);
        assert_eq!((record["name"].as_str(), record["seeds"][0].as_u64()), (Some(&*name), Some(1)));
        assert!(record["machine"]["cores"].as_u64() > Some(0), "{name}");
        assert!(record["data"][0].as_str().expect("a data set").starts_with("digits ("), "{name}");
        assert!(!record["runs"].as_array().expect("runs").is_empty(), "{name}");
        let panels = record["plot"]["panels"].as_array().expect("panels");
        assert!(!panels.is_empty(), "{name}");
        for panel in panels {
            for axis in ["x", "y"] {
                assert!(!panel[axis]["label"].as_str().expect("a label").is_empty(), "{name}");
            }
        }
        let points = read("points.csv");
        let mut lines = points.lines();
        assert_eq!(lines.next(), Some("panel,series,x,y,low,high"), "{name}");
        assert!(lines.count() >= 2, "{name}");
    }
}

#[test]
fn a_figure_made_again_trains_nothing_and_has_the_same_bytes() {
    let (place, _) = all();
    let pixels = cfg!(feature = "png").then_some("figure.png");
    let files: Vec<&str> = ["figure.svg", "points.csv", "figure.json"].into_iter().chain(pixels).collect();
    let read = |root: &Path| -> Vec<Vec<u8>> {
        let of = |name: String| files.iter().map(move |file| bytes(&root.join("figures").join(&name).join(file)));
        names().into_iter().flat_map(of).collect()
    };
    // A copy, since the other tests read the first.
    let copy = Place::new();
    copy_folder(&place.path("reproduction/smoke"), &copy.path("reproduction/smoke"));
    std::fs::remove_dir_all(copy.path("reproduction/smoke/figures")).expect("removed");
    let runs = |place: &Place| std::fs::read_dir(place.path("reproduction/smoke/runs")).expect("runs").count();
    let before = runs(&copy);
    let output = copy.run("reproduce all --profile smoke");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(runs(&copy), before);
    let last = String::from_utf8(output.stdout).expect("text").lines().last().map(str::to_owned);
    let svg_alone = "for PNG beside SVG: cargo install --path crates/hsic-cli --locked --features png";
    let expected = if cfg!(feature = "png") { "figures: reproduction/smoke/figures" } else { svg_alone };
    assert_eq!(last.as_deref(), Some(expected));
    assert_eq!(read(&copy.path("reproduction/smoke")), read(&place.path("reproduction/smoke")));
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let place = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &place);
        } else {
            std::fs::copy(&path, &place).expect("copied");
        }
    }
}

#[test]
fn the_report_has_every_figure_and_nothing_from_elsewhere() {
    let (place, _) = all();
    let output = place.path("page");
    let written = place.json("report reproduction/smoke --output page --json");
    assert_eq!((written["figures"].as_u64(), written["values_outside"].as_u64()), (Some(14), Some(0)));
    let page = String::from_utf8(bytes(&output.join("report.html"))).expect("text");
    for name in names() {
        let record = record(place, &name);
        let title = record["title"].as_str().expect("a title").replace('&', "&amp;");
        assert!(page.contains(&title), "{name}");
    }
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
}

#[test]
fn the_smoke_profile_judges_nothing_and_says_so() {
    let (place, _) = all();
    for name in names() {
        let plot = &record(place, &name)["plot"];
        for claim in plot["claims"].as_array().expect("claims") {
            assert_eq!(claim["verdict"], "not-judged", "{name}");
            // A reason that was found at other sizes is no reason here.
            assert!(!claim["evidence"].as_str().expect("text").contains("It is the layer's momentum"), "{name}");
        }
        assert!(plot["values"].as_array().expect("values").iter().all(|value| value["band"].is_null()), "{name}");
    }
    let place = Place::new();
    place.json("reproduce gradients --profile smoke --quiet --json");
    // As if HSIC's gradients exploded.
    for entry in std::fs::read_dir(place.path("reproduction/smoke/runs")).expect("runs") {
        let path = entry.expect("an entry").path().join("metrics.jsonl");
        if path.to_string_lossy().contains("-hsic-") {
            let text = String::from_utf8(bytes(&path)).expect("text");
            std::fs::write(&path, text.replace("\"gradient_norm\":[", "\"gradient_norm\":[1e9,")).expect("written");
            unseal(&path);
        }
    }
    let told = String::from_utf8(place.run("reproduce gradients --profile smoke --quiet").stdout).expect("text");
    assert!(told.contains("judges nothing") && !told.contains("outside") && !told.contains("hold"), "{told}");
    let told = String::from_utf8(place.run("report reproduction/smoke").stdout).expect("text");
    assert!(told.contains("none of which is judged") && !told.contains("do not hold"), "{told}");
    let error = place.fails("reproduce gradients --profile smoke --check");
    assert!(error.contains("check = true: expected not given for profile = smoke"), "{error}");
    let error = place.fails("reproduce gradients --profile smoke --data-dir .");
    assert!(error.contains("data-dir = .: expected not given for profile = smoke"), "{error}");
}

#[test]
fn captions_name_the_nets_that_were_trained() {
    let (place, _) = all();
    for (name, nets) in [
        ("activations", "784-32x6-32-10 by back-propagation, rate 0.005; nHSIC with sigma 5 after every 3 steps"),
        ("depths", "784-32x6-32-10, 784-32x11-32-10, 784-32x16-32-10, 784-32x21-32-10, relu, by"),
        ("format-epochs", "784-32x3-32, rate 1e-4, sigma 5, beta 50. Authors' protocol"),
        ("widths", "784-8x3-8, 784-32x3-32, 784-64x3-64, rate 2e-4, sigma 5, beta 50, then"),
        ("sigmas", "784-32x3-32, batch 64, rate 1e-4, beta 50, then"),
        ("unformatted", "Dense nets of width 32,"),
        ("parallel", "dense blocks of width 16, batch 64;"),
    ] {
        let record = record(place, name);
        let caption = record["plot"]["caption"].as_str().expect("a caption");
        assert!(caption.contains(nets), "{name}: {caption}");
        // What is named was trained.
        let commands: Vec<&str> =
            record["runs"].as_array().expect("runs").iter().filter_map(|run| run["command"].as_str()).collect();
        let widths = nets.split(['-', ' ', ',']).find(|part| part.contains('x') && part.ends_with(['3', '6']));
        if let Some(widths) = widths {
            assert!(
                commands.iter().any(|command| command.contains(&format!("--widths {widths} "))),
                "{name}: {widths}"
            );
        }
    }
}

#[test]
fn data_that_are_not_there_are_told_before_anything_is_trained() {
    let place = Place::new();
    let error = place.fails("reproduce unformatted --profile quick --data-dir nowhere");
    assert!(error.contains("mnist") && error.contains("hsic data fetch mnist"), "{error}");
    assert!(!place.path("reproduction").exists());
    let error = place.fails("reproduce nonsense");
    assert!(error.contains("nonsense") && error.contains("unformatted"), "{error}");
}
