//! `data`: list, info, verify, fetch, without a network.

use std::net::TcpListener;

use crate::{Place, stderr};

/// The four files of a data set of one row a part, in MNIST's format.
fn write_mnist(place: &Place) {
    std::fs::create_dir_all(place.path("d/mnist")).expect("a folder");
    for (name, header) in [
        ("train-images-idx3-ubyte", &[0x803u32, 1, 1, 1][..]),
        ("train-labels-idx1-ubyte", &[0x801, 1]),
        ("t10k-images-idx3-ubyte", &[0x803, 1, 1, 1]),
        ("t10k-labels-idx1-ubyte", &[0x801, 1]),
    ] {
        let bytes: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).chain([7]).collect();
        std::fs::write(place.path("d/mnist").join(name), bytes).expect("a file written");
    }
}

#[test]
fn the_list_says_what_is_here() {
    let place = Place::new();
    let found = |list: &serde_json::Value, name: &str| {
        let entries = list["datasets"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["name"] == name).unwrap().clone();
        (entry["available"].as_bool().unwrap(), entry["found"].as_str().map(str::to_owned))
    };
    let list = place.json("data list --data-dir d --json");
    assert_eq!(found(&list, "digits"), (true, None));
    assert_eq!(found(&list, "mnist"), (false, None));
    assert_eq!(
        (&list["datasets"][4]["name"], &list["datasets"][4]["shape"]["channels"]),
        (&"cifar10".into(), &3.into())
    );
    write_mnist(&place);
    let list = place.json("data list --data-dir d --json");
    assert_eq!(found(&list, "mnist"), (true, Some("d/mnist".to_owned())));
    let text = String::from_utf8(place.run("data list --data-dir d").stdout).unwrap();
    assert!(text.contains("not here: hsic data fetch cifar100"), "{text}");
}

#[test]
fn info_counts_by_class() {
    let place = Place::new();
    let info = place.json("data info digits --json");
    assert_eq!((&info["classes"][3]["train"], &info["classes"][3]["test"]), (&1000.into(), &200.into()));
    write_mnist(&place);
    let info = place.json("data info mnist --data-dir d --json");
    assert_eq!((&info["classes"][7]["train"], &info["classes"][6]["train"]), (&1.into(), &0.into()));
    assert_eq!(info["files"][0]["bytes"], 17);
    let text = String::from_utf8(place.run("data info mnist --data-dir d").stdout).unwrap();
    assert!(text.starts_with("mnist: 1 training and 1 test samples of 1 x 1 x 1"), "{text}");
}

#[test]
fn a_file_that_is_not_the_published_one_exits_1() {
    let place = Place::new();
    write_mnist(&place);
    let output = place.run("data verify mnist --data-dir d --json");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["ok"], &result["files"][1]["matches"]), (&false.into(), &false.into()));
    let text = String::from_utf8(place.run("data verify mnist --data-dir d").stdout).unwrap();
    assert!(text.contains("differs, expected ba891046e6505d7a"), "{text}");
    assert_eq!(place.json("data verify digits --json")["ok"], true);
    let error = place.fails("data verify mnits");
    assert!(error.starts_with("error: no data set is called mnits: expected digits, mnist, "), "{error}");
    let error = place.fails("data verify cifar10 --data-dir d");
    assert!(error.contains("cifar10: data_batch_1.bin, ") && error.contains("d/cifar10"), "{error}");
}

#[test]
fn without_a_network_the_error_says_what_to_put_where() {
    let place = Place::new();
    // Bound and closed again: nothing listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = place.fails(&format!("data fetch mnist --data-dir d --mirror http://{address} --quiet"));
    for part in [
        "mnist: train-images-idx3-ubyte.gz cannot be fetched",
        &format!("http://{address}/train-images-idx3-ubyte.gz: "),
        "by hand, put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, \
         t10k-labels-idx1-ubyte.gz into d/mnist",
    ] {
        assert!(error.contains(part), "{part}\n---\n{error}");
    }
    let error = place.fails("data fetch digits");
    assert_eq!(error, "error: digits: drawn by the program, expected a data set that has files\n");
    let error = place.fails("data fetch mnist");
    assert!(error.contains("no folder for its files, expected --data-dir"), "{error}");
    // A file that is there and wrong is named, not replaced.
    write_mnist(&place);
    let error = place.fails(&format!("data fetch mnist --data-dir d --mirror http://{address}"));
    assert!(error.contains("d/mnist/train-images-idx3-ubyte: SHA-256 ") && error.contains("move it away"), "{error}");
}
