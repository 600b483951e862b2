//! `measure` and `test`.

use crate::Place;

fn six_points(place: &Place) {
    place.write("x.csv", "0,0\n1,0\n0,1\n1,1\n0.5,0.25\n0.25,0.75\n");
    place.write("z.csv", "0.1\n0.9\n0.2\n1.1\n0.6\n0.3\n");
    place.write("y.csv", "1,0\n0,1\n1,0\n0,1\n0,1\n1,0\n");
}

#[test]
fn measure_gives_the_six_point_table() {
    let place = Place::new();
    six_points(&place);
    for (arguments, expected, tolerance) in [
        ("z.csv x.csv --sigma 1", 3.055_106_751_0, 1e-9),
        ("z.csv y.csv --sigma 1", 0.939_711_049_4, 1e-9),
        ("x.csv x.csv --sigma 5", 2.555_768_581_0, 1e-9),
        ("z.csv y.csv --sigma 1 --estimator hsic-biased", 1.840_043_701_3e-2, 1e-11),
        ("z.csv y.csv --sigma 5 --estimator hsic-unbiased", 6.603_689_835_8e-5, 1e-14),
        ("z.csv x.csv --sigma 1 --estimator cka", 0.662_479_829_9, 1e-9),
    ] {
        let result = place.json(&format!("measure {arguments} --json"));
        let value = result["value"].as_f64().unwrap();
        assert!((value - expected).abs() < tolerance, "{arguments}: {value}");
        assert_eq!(result["rows"], 6);
    }
    let result = place.json("measure z.csv x.csv --sigma median --estimator cka --json");
    // Of the 15 distances of z, sorted, the eighth: |0.6 - 0.1|.
    assert!((result["sigma_x"].as_f64().unwrap() - 0.5).abs() < 1e-12, "{result}");
}

#[test]
fn dependence_is_found_and_independence_is_not() {
    let place = Place::new();
    let table = |f: &dyn Fn(f64) -> f64| (0..40).map(|i| format!("{}\n", f(f64::from(i)))).collect::<String>();
    place.write("x.csv", &table(&|i| i.sin()));
    place.write("y.csv", &table(&|i| i.sin().powi(2) + 0.1 * (3.0 * i).cos()));
    place.write("noise.csv", &table(&|i| (i * i * 0.7 + 1.0).sin()));
    let dependent = place.json("test x.csv y.csv --permutations 999 --seed 3 --json");
    // p is a count: whole thousandths, and at most a hundredth for a dependence as plain as this.
    let p = dependent["p_value"].as_f64().unwrap();
    assert!(p <= 0.01 && ((p * 1000.0).round() - p * 1000.0).abs() < 1e-9, "{dependent}");
    for threads in [1, 2, 5] {
        let again = place.json(&format!("test x.csv y.csv --permutations 999 --seed 3 --threads {threads} --json"));
        assert_eq!(again, dependent);
    }
    // No order of the rows is as dependent as that in which both tables are the same.
    let told = String::from_utf8(place.run("test x.csv x.csv --permutations 99").stdout).expect("text");
    assert!(told.ends_with(" (1/m^2, 40 rows), p = 0.01 (the least of 99 permutations)\n"), "{told}");
    let told = String::from_utf8(place.run("test x.csv noise.csv --permutations 99").stdout).expect("text");
    assert!(told.ends_with(" (99 permutations)\n"), "{told}");
    let gamma = place.json("test x.csv y.csv --method gamma --json");
    assert!(gamma["p_value"].as_f64().unwrap() < 0.01, "{gamma}");
    assert_eq!(gamma["statistic"], dependent["statistic"]);
    let independent = place.json("test x.csv noise.csv --json");
    assert!(independent["p_value"].as_f64().unwrap() > 0.05, "{independent}");
}

#[test]
fn tables_whose_matrices_no_memory_holds_are_an_error_with_its_remedy() {
    let place = Place::new();
    // 600,000 rows: 360 billion entries of 8 bytes a matrix; nhsic takes five, a permutation test two and a quarter.
    place.write("x.csv", &"0\n1\n".repeat(300_000));
    for (command, needed) in [("measure", "14.4 TB"), ("test", "6.5 TB")] {
        let error = place.fails(&format!("{command} x.csv x.csv"));
        let start = "error: x = x.csv, y = x.csv\n       because matrices of 600000 x 600000 numbers take ";
        assert!(error.starts_with(start), "{error}");
        assert!(error.contains(needed) && error.contains(" are free: expected fewer rows: a random part"), "{error}");
    }
    place.write("labeled.csv", &"0,a\n1,b\n".repeat(300_000));
    let error = place
        .fails("train --dataset labeled.csv --batch-size 400000 --widths 2 --schedule sequential --epochs 1 --quiet");
    assert!(error.contains("expected fewer rows (--batch-size), or an approximation"), "{error}");
}

/// Biased HSIC of two columns of words under delta kernels, from their counts: the sum over all pairs of words of
/// (share of the pair - product of the shares) squared.
fn by_counts(x: &[&str], y: &[&str]) -> f64 {
    let share = |fits: &dyn Fn(usize) -> bool| (0..x.len()).filter(|&row| fits(row)).count() as f64 / x.len() as f64;
    let distinct = |words: &[&str]| -> Vec<String> {
        let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        words.sort();
        words.dedup();
        words
    };
    let mut sum = 0.0;
    for a in distinct(x) {
        for b in distinct(y) {
            let both = share(&|row| x[row] == a && y[row] == b);
            sum += (both - share(&|row| x[row] == a) * share(&|row| y[row] == b)).powi(2);
        }
    }
    sum
}

#[test]
fn words_are_compared_by_whether_they_are_equal() {
    let place = Place::new();
    let x: Vec<&str> = (0..60).map(|row| ["red", "blue", "green"][row % 3]).collect();
    let y: Vec<&str> = (0..60).map(|row| if row % 3 == 0 || row % 7 == 0 { "high" } else { "low" }).collect();
    place.write("x.csv", &format!("color\n{}\n", x.join("\n")));
    place.write("y.csv", &format!("{}\n", y.join("\n")));
    let expected = by_counts(&x, &y);
    let close = |value: &serde_json::Value| (value.as_f64().unwrap() - expected).abs() < 1e-14;
    let measured = place.json("measure x.csv y.csv --estimator hsic-biased --json");
    assert!(close(&measured["value"]), "{measured} {expected}");
    assert_eq!((&measured["kernel_x"], &measured["kernel_y"]), (&"delta".into(), &"delta".into()));
    assert_eq!(place.json("measure x.csv y.csv --estimator hsic-biased --kernel delta --json"), measured);
    let tested = place.json("test x.csv y.csv --permutations 999 --json");
    assert!(close(&tested["statistic"]) && tested["p_value"] == 0.001, "{tested}");
    // Numbers that stand for the words are compared in the same way where that is asked for.
    let number = |words: &[&str]| words.iter().map(|word| format!("{}.5\n", word.len())).collect::<String>();
    place.write("xn.csv", &number(&x));
    place.write("yn.csv", &number(&y));
    assert_eq!(place.json("test xn.csv yn.csv --kernel delta --permutations 999 --json"), tested);
    // Words on one side only.
    let mixed = place.json("test x.csv yn.csv --json");
    assert_eq!((&mixed["kernel_x"], &mixed["kernel_y"]), (&"delta".into(), &"gaussian".into()));
    let text = String::from_utf8(place.run("test x.csv yn.csv").stdout).unwrap();
    assert!(text.contains("60 rows, kernels delta and gaussian"), "{text}");
}

#[test]
fn words_where_numbers_are_due_are_told() {
    let place = Place::new();
    place.write("words.csv", "red\nblue\nred\n");
    place.write("slip.csv", "1\n2\nx\n");
    place.write("both.csv", "red,1\nblue,2\nred,3\n");
    let error = place.fails("measure words.csv words.csv --kernel gaussian");
    assert_eq!(
        error,
        "error: words.csv: words in column 1, expected numbers for kernel = gaussian, or --kernel delta\n"
    );
    let error = place.fails("test slip.csv slip.csv");
    assert_eq!(error, "error: slip.csv: line 3, column 1: \"x\", expected a number (--kernel delta compares words)\n");
    let error = place.fails("test both.csv both.csv");
    assert!(error.contains("both.csv: columns of words beside columns of numbers, expected one kind"), "{error}");
    assert_eq!(place.json("test both.csv words.csv --kernel delta --json")["rows"], 3);
}

#[test]
fn ranges_of_permutations_add_up_to_the_test() {
    let place = Place::new();
    let table = |f: &dyn Fn(f64) -> f64| (0..40).map(|i| format!("{}\n", f(f64::from(i)))).collect::<String>();
    place.write("x.csv", &table(&|i| i.sin()));
    place.write("y.csv", &table(&|i| (i * i * 0.7 + 1.0).sin()));
    let whole = place.json("test x.csv y.csv --permutations 200 --seed 5 --json");
    let part = |range: &str, seed: u32| {
        let output = place.run(&format!("test x.csv y.csv --range {range} --seed {seed} --threads 1"));
        assert!(output.status.success(), "{}", crate::stderr(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    // Ends that are no multiples of what is evaluated together.
    for (index, range) in ["0..3", "3..101", "101..200"].into_iter().enumerate() {
        place.write(&format!("{index}.json"), &part(range, 5));
    }
    let added = place.json("test --gather 2.json 0.json 1.json --json");
    assert_eq!(added, whole);
    // The p of 201 equally likely orders: a count of them.
    let reached = (0..3).map(|index| {
        let text = std::fs::read_to_string(place.path(&format!("{index}.json"))).expect("a part");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["reached"].as_u64().expect("a count")
    });
    let reached: u64 = reached.sum();
    assert!(reached > 0);
    assert_eq!(added["p_value"].as_f64(), Some((1 + reached) as f64 / 201.0));
    let text = String::from_utf8(place.run("test --gather 0.json 1.json 2.json").stdout).expect("text");
    assert!(text.ends_with(" (200 permutations)\n"), "{text}");

    let error = place.fails("test --gather 0.json 2.json");
    assert!(
        error.contains("2.json: permutations 101..200 after those up to 3, expected those before them too"),
        "{error}"
    );
    let error = place.fails("test --gather 0.json 1.json 1.json");
    assert!(error.contains("1.json: permutations 3..101 after those up to 101, expected each once"), "{error}");
    place.write("other.json", &part("3..101", 6));
    let error = place.fails("test --gather 0.json other.json");
    assert!(error.contains("other.json: a part of another test than 0.json"), "{error}");
    let error = place.fails("test --gather x.csv");
    assert!(error.contains("x.csv: ") && error.contains("expected what --range prints"), "{error}");
    assert!(place.fails("test x.csv y.csv --range 5..5").contains("expected A..B with A < B, as 0..500"));
    assert!(place.fails("test x.csv y.csv --range 0..5 --method gamma").contains("range = 0..5: expected not given"));
}
