//! `data`: list, info, verify, fetch, without a network.

use std::fs;
use std::io::Cursor;
use std::net::TcpListener;

use crate::{Place, bytes, stderr};

/// The four files of a data set of one row a part, in MNIST's format.
fn write_mnist(place: &Place) {
    fs::create_dir_all(place.path("d/mnist")).expect("a folder");
    for (name, header) in [
        ("train-images-idx3-ubyte", &[0x803u32, 1, 1, 1][..]),
        ("train-labels-idx1-ubyte", &[0x801, 1]),
        ("t10k-images-idx3-ubyte", &[0x803, 1, 1, 1]),
        ("t10k-labels-idx1-ubyte", &[0x801, 1]),
    ] {
        let bytes: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).chain([7]).collect();
        fs::write(place.path("d/mnist").join(name), bytes).expect("a file written");
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
    assert!(error.contains("no folder for its files, expected one to be given"), "{error}");
    assert!(error.ends_with(" (--data-dir FOLDER)\n"), "{error}");
    // A file that is there and wrong is named, not replaced.
    write_mnist(&place);
    let error = place.fails(&format!("data fetch mnist --data-dir d --mirror http://{address}"));
    assert!(error.contains("d/mnist/train-images-idx3-ubyte: SHA-256 ") && error.contains("move it away"), "{error}");
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_curl_the_error_says_how_to_do_without() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).expect("a folder");
    let arguments = "data fetch mnist --data-dir d --mirror http://127.0.0.1:1 --quiet";
    let output = place.command(arguments).env("PATH", place.path("empty")).output().expect("the command runs");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert_eq!(
        stderr(&output),
        "error: mnist: train-images-idx3-ubyte.gz cannot be fetched: no program curl on PATH\n       \
         by hand, put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, \
         t10k-labels-idx1-ubyte.gz into d/mnist\n       \
         install curl, or build with: cargo install --path crates/hsic-cli --locked --features tls\n"
    );
}

/// The images of a class each in two shades: names and PNG files.
fn pets(rows: u8) -> Vec<(String, Vec<u8>)> {
    let image = |index: u8| {
        let (part, shade) = (if index % 4 == 3 { "test" } else { "train" }, 40 * (index % 2) + index);
        let mut png = Vec::new();
        let header = png::Encoder::new(&mut png, 2, 2).write_header();
        header.and_then(|mut writer| writer.write_image_data(&[shade; 4])).expect("a PNG file");
        (format!("{part}/{}/{index}.png", ["cat", "dog"][usize::from(index / 2 % 2)]), png)
    };
    (0..rows).map(image).collect()
}

#[test]
fn a_folder_of_images_is_used_inside_its_archive() {
    let place = Place::new();
    let archive = |rows| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, png) in pets(rows) {
            let mut header = tar::Header::new_gnu();
            header.set_size(png.len() as u64);
            tar.append_data(&mut header, name, Cursor::new(png)).unwrap();
        }
        fs::write(place.path("pets.tar"), tar.into_inner().unwrap()).unwrap();
    };
    archive(80);
    for (name, png) in pets(80) {
        let path = place.path("pets").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, png).unwrap();
    }
    let info = place.json("data info pets.tar --json");
    assert_eq!(info, place.json("data info pets --json"));
    assert_eq!((&info["name"], &info["train_rows"], &info["test_rows"]), (&"pets".into(), &60.into(), &20.into()));
    let train = "--widths 8 --epochs 2 --batch-size 16 --quiet --json";
    let run = place.json(&format!("train --dataset pets.tar {train}"))["run"].as_str().unwrap().to_owned();
    assert_eq!(run, "runs/pets-mlp-hsic-seed1");
    place.json(&format!("train --dataset pets {train} --run unpacked"));
    for file in ["weights.safetensors", "data.json"] {
        assert!(bytes(&place.path(&run).join(file)) == bytes(&place.path("unpacked").join(file)), "{file}");
    }
    archive(76);
    fs::remove_file(place.path(&run).join("summary.json")).unwrap();
    let error = place.fails(&format!("train --resume {run}"));
    let hashes = |error: &str| error.split("SHA-256 ").skip(1).map(|rest| rest[..64].to_owned()).collect::<Vec<_>>();
    assert!(error.starts_with("error: DIR/pets.tar: SHA-256 ") && error.contains("on which runs/"), "{error}");
    assert!(hashes(&error).len() == 2 && hashes(&error)[0] != hashes(&error)[1], "{error}");
    fs::write(place.path("pets.tar"), "no archive").unwrap();
    let error = place.fails("data info pets.tar");
    assert!(error.starts_with("error: pets.tar: ends after 10 bytes (decompressed) without an end marker"), "{error}");
}

/// A folder of IDX files: `rows` training images of 20 x 20 of two classes, and 20 to test.
fn write_images(place: &Place, rows: u32) {
    fs::create_dir_all(place.path("d/faces")).expect("a folder");
    for (part, rows) in [("train", rows), ("test", 20)] {
        let pixel = |i: u32| (i.wrapping_mul(2_654_435_761) >> 17) as u8 ^ ((i / 400 % 2) * 170) as u8;
        for (name, header, data) in [
            ("images-idx3", vec![0x803, rows, 20, 20], (0..rows * 400).map(pixel).collect::<Vec<u8>>()),
            ("labels-idx1", vec![0x801, rows], (0..rows).map(|row| (row % 2) as u8).collect()),
        ] {
            let bytes: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).chain(data).collect();
            fs::write(place.path("d/faces").join(format!("{part}-{name}-ubyte")), bytes).expect("a file written");
        }
    }
}

#[test]
fn samples_are_packed_where_that_is_asked_for_and_a_damaged_file_names_what_helps() {
    let place = Place::new();
    write_images(&place, 12_000);
    let options = "--widths 16x2 --epochs 1 --seed 3";
    place.run(&format!("train --dataset d/faces {options} --run runs/memory"));
    let trained = place.run(&format!("train --dataset d/faces {options} --cache packed --run runs/file"));
    let told = stderr(&trained);
    let expected = "5 MB of samples are not kept in memory, as --cache asks: they were packed into";
    assert!(told.contains(expected) && told.contains("hsic data uncache deletes it"), "{told}");
    let weights = |run: &str| bytes(&place.path(run).join("weights.safetensors"));
    assert_eq!(weights("runs/memory"), weights("runs/file"));

    // The file is listed, and read again by whoever asks for the run's rows.
    let info = place.json("data info d/faces --cache packed --json");
    let file = place.path(info["packed"][0]["path"].as_str().expect("a path"));
    let note = info["notes"].as_array().and_then(|notes| notes.iter().find(|note| note["kind"] == "packed"));
    assert_eq!((&info["packed"][0]["whole"], &note.expect("a note")["made"]), (&true.into(), &false.into()));
    let told = stderr(&place.run("eval runs/file"));
    assert!(told.contains("they are read from"), "{told}");
    let text = String::from_utf8(place.run("data info d/faces --cache packed").stdout).expect("text");
    assert!(text.trim_end().ends_with("packed samples"), "{text}");

    // A bit of the last rows of the training part.
    let mut changed = fs::read(&file).expect("the file");
    changed[4_500_000] ^= 1;
    fs::write(&file, &changed).expect("a file written");
    let told = place.fails(&format!("train --dataset d/faces {options} --cache packed --run runs/changed"));
    assert!(told.contains("part 1 of 2 (from 0, 4 MiB each) was changed since it was written"), "{told}");
    assert!(told.contains("(hsic data uncache NAME, with --cache DIR where a training was given that)"), "{told}");
    let gone = place.json("data uncache d/faces --cache packed --json");
    assert_eq!(gone["deleted"].as_array().map(Vec::len), Some(1));
    assert!(!file.exists());
    let text = String::from_utf8(place.run("data uncache d/faces --cache packed").stdout).expect("text");
    assert_eq!(text, "d/faces: no packed samples\n");
    place.run(&format!("train --dataset d/faces {options} --cache packed --run runs/changed --force"));
    assert_eq!(weights("runs/memory"), weights("runs/changed"));

    // Rows that another network is to judge go the same way.
    let other = stderr(&place.run("eval runs/memory --dataset d/faces --part all --cache packed"));
    assert!(other.contains("they are read from"), "{other}");
    let digits = place.fails("data uncache nothing");
    assert!(digits.contains("no data set is called nothing"), "{digits}");
}
