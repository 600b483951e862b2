//! `report`: pages and tables of runs and of reproductions.

use crate::{Place, bytes, stderr};

const SMALL: &str = "--train-size 600 --test-size 200 --widths 32x2 --batch-size 64 --epochs 2 --quiet";

/// A record of a figure with one value in its band and one claim.
const FIGURE: &str = r#"{
 "name": "figure2", "title": "Depth & <b>width</b>", "source": "figure 2a", "command": "hsic reproduce figure2",
 "profile": "quick", "seeds": [1, 2], "data": ["digits (600 + 200)"],
 "machine": {"processor": "", "cores": 2, "memory_bytes": 0, "system": "linux x86_64"},
 "runs": [{"label": "hsic", "seed": 1, "command": "hsic train", "seconds": 1.5}],
 "plot": {
  "caption": "A caption.", "columns": 1,
  "panels": [{
   "title": "a panel",
   "x": {"label": "x", "scale": "linear", "range": null, "names": []},
   "y": {"label": "y (%)", "scale": "linear", "range": null, "names": []},
   "marks": {"series": [{"name": "ours", "style": "line", "points": [{"x": 1.0, "y": 2.0, "low": 1.0, "high": 3.0}]}]}
  }],
  "values": [{"name": "accuracy", "unit": "%", "paper": 97.0, "authors": [], "ours": [98.0, 98.5], "band": [95.0, 98.0],
   "command": "hsic train --seed 1"}],
  "claims": [{"statement": "it learns", "verdict": "holds", "evidence": "98 %"}]
 }
}"#;

fn text(place: &Place, name: &str) -> String {
    String::from_utf8(bytes(&place.path(name))).expect("text")
}

/// Capsules in their smallest form.
const CAPSULES: &str = "--model capsnet --widths 4,2 --train-size 64 --test-size 20 --batch-size 32 --epochs 1 --quiet";

/// Nothing in the page is fetched or run; pictures are in it.
fn assert_alone(page: &str) {
    let page = page.replace("<img src=\"data:image/png;base64,", "");
    for reference in ["http:", "https:", "src=", "<script", "<link", "@import", "<iframe", "<object", "href=\"/"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn capsules_show_what_they_draw_and_their_files_are_a_part_of_the_run() {
    let place = Place::new();
    let summary = place.json(&format!("train {CAPSULES} --method backprop --run r --json"));
    assert_eq!(summary["model"], "capsnet");
    let evaluated = place.json("eval r --json");
    assert_eq!(evaluated["test_accuracy"], summary["test_accuracy"]);
    // Accuracy, confusion, reconstructions, readouts, samples in features, loss, margins and reconstructions by epoch.
    assert_eq!(place.json("report r --json")["figures"], 7);
    let page = text(&place, "r/report.html");
    assert!(page.contains("images and reconstructions") && page.contains("fig-h15"));
    assert_alone(&page);
    let decoder = bytes(&place.path("r/decoder.safetensors"));
    let again = place.run(&format!("train {CAPSULES} --method backprop --reconstruction-weight 0 --run r --force"));
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(!decoder.is_empty() && !place.path("r/decoder.safetensors").exists());
    let error = place.fails("train --method backprop --reconstruction-weight 0.1 --run x");
    assert!(error.contains("reconstruction-weight = 0.1: expected not given for a network"), "{error}");
    let error = place.fails("train --model capsnet --dataset digits --widths 8,8,8,8 --run x");
    assert!(error.contains("block 3: kernel = 9: expected at most 4, the map with its padding"), "{error}");
}

#[test]
fn a_runs_page_has_its_accuracy_and_needs_nothing_else() {
    let place = Place::new();
    let summary = place.json(&format!("train {SMALL} --monitor-steps 5 --run r --json"));
    let written = place.json("report r --json");
    assert_eq!((&written["kind"], &written["html"]), (&"run".into(), &"r/report.html".into()));
    // Accuracy, format training, confusion, readouts, samples in features, loss, dependence, plane, gradients.
    assert_eq!(written["figures"], 9);
    let (page, table) = (text(&place, "r/report.html"), text(&place, "r/report.md"));
    let accuracy = format!("{:.2} %", 100.0 * summary["test_accuracy"].as_f64().unwrap());
    assert!(page.contains(&format!("<td>{accuracy}</td>")), "{accuracy}");
    assert!(table.starts_with("# mlp on digits by hsic\n"), "{table}");
    assert!(table.contains(&format!("| test accuracy, outputs unformatted | {accuracy} |")), "{table}");
    assert!(page.contains("<meta name=\"viewport\"") && page.contains("batch-size = 64"));
    assert_alone(&page);

    // A report is a part of the run: both can be made anew.
    assert!(place.run("report r").status.success());
    let again = place.run(&format!("train {SMALL} --run r --force"));
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(!place.path("r/report.html").exists());
}

#[test]
fn a_run_s_page_shows_samples_readouts_filters_and_where_the_time_went() {
    let place = Place::new();
    let summary = place.json(&format!("train {SMALL} --probe-epochs 1 --run r --json"));
    assert!(summary["samples_seconds"].as_f64().unwrap() > 0.0);
    assert!(bytes(&place.path("r/samples.safetensors")).len() <= 200_000);
    let records = text(&place, "r/metrics.jsonl");
    assert_eq!(records.matches("\"type\":\"probe\"").count(), 2, "{records}");
    place.json("report r --json");
    let page = text(&place, "r/report.html");
    for title in [
        "Accuracy by block",
        "Accuracy by block over epochs",
        "Samples in the features of blocks",
        "Confused samples",
        "Surest samples",
        "Least sure samples",
        "First-layer filters",
        "Where the time went",
    ] {
        assert!(page.contains(&format!(">{title}</h2>")), "{title}");
        assert!(page.contains(&format!(">{title}</a></li>")), "{title} in the contents");
    }
    assert!(page.contains("alt=\"32 of 32 filters of the first layer\""));
    assert!(page.contains("training rows that the readouts were not fitted to, though the network was"));
    assert_alone(&page);
    assert!(page.len() < 1_000_000, "{}", page.len());

    // Nothing is kept of private data, and a run without samples has a page as before.
    assert!(place.run(&format!("train {SMALL} --keep-samples false --run p")).status.success());
    assert!(!place.path("p/samples.safetensors").exists());
    place.json("report p --json");
    let page = text(&place, "p/report.html");
    assert!(!page.contains("Confused samples") && page.contains("First-layer filters"));
    // A damaged file is named.
    let mut damaged = bytes(&place.path("r/samples.safetensors"));
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    std::fs::write(place.path("r/samples.safetensors"), damaged).unwrap();
    assert!(place.fails("report r").contains("r/samples.safetensors"));
    let verified = place.run("runs verify r");
    assert_eq!(verified.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&verified.stdout).contains("samples.safetensors"), "{verified:?}");
    let again = place.run(&format!("train {SMALL} --run r --force"));
    assert!(again.status.success(), "{}", stderr(&again));
}

#[test]
fn figures_are_written_as_files_at_a_width_where_pdf_is_built_in() {
    let place = Place::new();
    assert!(place.run(&format!("train {SMALL} --run r")).status.success());
    let written = place.json("report r --figures pictures --json");
    assert_eq!(written["pictures"], "pictures");
    let csv = text(&place, "pictures/accuracy.csv");
    assert!(csv.starts_with("panel,series,x,y,low,high\n\"accuracy\",\"training\",1,"), "{csv}");
    assert!(text(&place, "pictures/accuracy-by-block.svg").contains("<svg"));
    assert!(place.fails("report r --width 3.25in").contains("--figures"));
    assert!(place.fails("report r --figures x --width 3").contains("as 3.25in, 8cm, 82mm or 234pt"));
    let at_width = "report r --figures narrow --width 3.25in";
    if cfg!(feature = "png") {
        assert!(bytes(&place.path("pictures/accuracy.pdf")).starts_with(b"%PDF-1.4"));
        assert!(place.run(at_width).status.success());
        let page = bytes(&place.path("narrow/accuracy.pdf"));
        assert!(String::from_utf8_lossy(&page).contains("/MediaBox [0 0 234 "));
    } else {
        assert!(!place.path("pictures/accuracy.pdf").exists());
        assert!(place.fails(at_width).contains("--features png"));
    }
}

#[test]
fn the_summary_has_a_curve_of_its_epochs_in_the_characters_of_the_locale() {
    let place = Place::new();
    let with = |locale: &str, run: &str| {
        let output = place.command(&format!("train {SMALL} --run {run}")).env("LC_ALL", locale).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let curve = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("test accuracy by epoch ")).unwrap().to_owned();
        line.split(' ').nth(4).unwrap().to_owned()
    };
    let (blocks, letters) = (with("C.UTF-8", "a"), with("C", "b"));
    assert_eq!((curve(&blocks).chars().count(), curve(&letters).len()), (2, 2));
    assert!(!curve(&blocks).is_ascii() && curve(&letters).is_ascii());
    // No color, whatever NO_COLOR says.
    assert!(!blocks.contains('\u{1b}') && !letters.contains('\u{1b}'));
}

#[test]
fn a_run_that_is_not_finished_is_reported_as_far_as_it_is() {
    let place = Place::new();
    assert!(place.run(&format!("train {SMALL} --run r")).status.success());
    std::fs::remove_file(place.path("r/summary.json")).unwrap();
    assert_eq!(place.json("report r --output out --json")["markdown"], "out/report.md");
    let table = text(&place, "out/report.md");
    assert!(table.contains("| epochs so far | 2 of 2 |") && table.contains("`hsic train --resume r`"), "{table}");
    assert!(!place.path("r/report.md").exists());
    place.write("r/metrics.jsonl", "{\"type\":\"epoch\"}\n");
    let error = place.fails("report r");
    assert!(error.starts_with("error: r/metrics.jsonl: line 1: missing field `epoch`"), "{error}");
}

#[test]
fn a_reproduction_is_found_by_itself_and_its_values_are_judged() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("reproduction/quick/figures/figure2")).unwrap();
    std::fs::create_dir_all(place.path("reproduction/quick/figures/unfinished")).unwrap();
    std::fs::create_dir_all(place.path("reproduction/smoke/figures")).unwrap();
    place.write("reproduction/quick/figures/figure2/figure.json", FIGURE);
    let output = place.run("report --json");
    assert_eq!(
        stderr(&output),
        "warning: reproduction/quick/figures/unfinished: no figure.json, this figure is left out\n"
    );
    let written: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(written["html"], "reproduction/quick/report.html");
    let counts = ["figures", "values", "values_outside", "claims", "claims_failed"].map(|key| written[key].clone());
    assert_eq!(counts, [1, 1, 1, 1, 0].map(serde_json::Value::from));
    let page = text(&place, "reproduction/quick/report.html");
    assert!(page.contains("\u{2717} outside") && page.contains("Depth &amp; &lt;b&gt;width&lt;/b&gt;"));
    assert_alone(&page);
    let table = text(&place, "reproduction/quick/report.md");
    let row = "| accuracy (%) | 97 | \u{2014} | 98.25 (98.00 to 98.50) | +1.25 | 95 to 98 **\u{2717} outside** | \
               `hsic train --seed 1` |\n";
    assert!(table.contains(row), "{table}");
}

#[test]
fn what_is_neither_a_run_nor_a_reproduction_is_named() {
    let place = Place::new();
    let error = place.fails("report");
    assert!(error.contains("hsic reproduce all --profile quick"), "{error}");
    let error = place.fails("report nowhere");
    assert!(
        error.contains(
            "nowhere: no such folder, expected the folder of a reproduction, a comparison, a speed run or a run"
        ),
        "{error}"
    );
    std::fs::create_dir(place.path("empty")).unwrap();
    assert!(place.fails("report empty").contains("empty: no figures/, comparison.json, speedrun.json or config.toml"));
    std::fs::create_dir(place.path("empty/figures")).unwrap();
    assert!(place.fails("report empty").contains("empty/figures: no figure, expected"));
}

#[test]
fn a_damaged_record_of_a_figure_is_named_with_its_line() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("r/figures/figure2")).unwrap();
    place.write("r/figures/figure2/figure.json", &FIGURE.replace("\"seeds\": [1, 2]", "\"seeds\": [1, -2]"));
    let error = place.fails("report r");
    assert!(error.contains("r/figures/figure2/figure.json: invalid value: integer `-2`"), "{error}");
    assert!(error.contains("at line 3 column") && error.contains("expected the record of a figure"), "{error}");
    assert!(!place.path("r/report.html").exists());
}

#[test]
fn a_file_of_the_same_name_that_is_no_report_stays() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("r/figures/figure2")).unwrap();
    place.write("r/figures/figure2/figure.json", FIGURE);
    place.write("r/report.md", "mine");
    let error = place.fails("report r");
    assert!(error.contains("r/report.md: not written by hsic report"), "{error}");
    assert_eq!(text(&place, "r/report.md"), "mine");
    assert!(!place.path("r/report.html").exists());
}

#[test]
fn several_runs_share_a_page_that_tells_their_differences() {
    let place = Place::new();
    for (seed, method) in [(1, "hsic"), (2, "frozen")] {
        let small = "--train-size 200 --test-size 50 --widths 16 --batch-size 50 --format-epochs 0 --epochs 3 --quiet";
        let output = place.run(&format!("train {small} --method {method} --seed {seed} --run runs/{method}"));
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert!(
        place
            .fails("report runs/hsic runs/frozen")
            .contains("--output: expected a folder for the page of several runs")
    );
    assert!(place.fails("report runs/hsic runs/hsic --output x").contains("runs/hsic: named twice"));
    assert!(place.fails("report runs/hsic runs/none --output x").contains("runs/none"));
    let written = place.json("report runs/hsic runs/frozen --output both --json");
    // Accuracy, loss, and the dependence that one of them has.
    assert_eq!((&written["kind"], written["figures"].as_u64()), (&"runs".into(), Some(3)));
    let (page, table) = (text(&place, "both/report.html"), text(&place, "both/report.md"));
    assert_alone(&page);
    assert!(page.contains("<th scope=\"row\">method</th><td>hsic</td><td>frozen</td>"), "{page}");
    assert!(
        page.contains("<th scope=\"row\">seed</th><td>1</td><td>2</td>")
            && !page.contains("<th scope=\"row\">batch-size")
    );
    // Values are told at each epoch, of both runs.
    assert!(page.contains(">epoch 3<tspan") && page.contains(">runs/frozen "), "{page}");
    assert!(table.starts_with("# 2 runs\n\n| quantity | runs/hsic | runs/frozen |\n| --- | --- | --- |\n"), "{table}");
    assert!(table.contains("| option that differs | runs/hsic | runs/frozen |"), "{table}");
}
