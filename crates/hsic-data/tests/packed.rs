//! Rows in a packed file beside the same rows in memory: the same bits, and whatever was done to the file is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use hsic_data::augment::{Augmentation, Border, Flip};
use hsic_data::batch::{Batch, Batches, for_each_batch};
use hsic_data::dataset::*;
use hsic_data::provenance::Provenance;

/// An IDX file.
fn idx(path: &Path, magic: u32, sizes: &[u32], data: &[u8]) {
    let words = [magic].into_iter().chain(sizes.iter().copied());
    let bytes: Vec<u8> = words.flat_map(u32::to_be_bytes).chain(data.iter().copied()).collect();
    fs::write(path, bytes).unwrap();
}

/// Bytes in no order that a period of rows or parts would hide.
fn noise(count: usize) -> Vec<u8> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A folder of colored images of 40 x 40, channels last, in two parts: 2100 of 4800 bytes are two whole parts of a packed
/// file and some of a third.
fn images(root: &Path) -> PathBuf {
    let folder = root.join("colors");
    fs::create_dir_all(&folder).unwrap();
    for (part, rows) in [("train", 2000u32), ("test", 100)] {
        let (pixels, labels) = (noise(rows as usize * 4800), (0..rows).map(|row| (row % 3) as u8).collect::<Vec<_>>());
        idx(&folder.join(format!("{part}-images-idx4-ubyte")), 0x804, &[rows, 40, 40, 3], &pixels);
        idx(&folder.join(format!("{part}-labels-idx1-ubyte")), 0x801, &[rows], &labels);
    }
    folder
}

fn in_file(root: &Path) -> LoadOptions {
    LoadOptions { cache: Some(root.join("cache")), ..LoadOptions::default() }
}

fn loaded(place: &Path, options: &LoadOptions) -> Result<Split, DatasetError> {
    load(place.to_str().unwrap(), options)
}

/// All batches of two epochs, in an order of their own and as in the file, with the test part.
fn batches(split: &Split, augmentation: Augmentation) -> Vec<Batch> {
    let mut all = Vec::new();
    for (part, shuffle) in [(&split.train, true), (&split.test, false)] {
        let plan = Batches { size: 64, seed: 5, shuffle, augmentation, drop_last: false, smoothing: 0.0 };
        let steps = 2 * plan.steps(part.rows());
        for_each_batch(part, &plan, 0..steps, |_, batch| {
            all.push(batch.clone());
            Ok::<_, DatasetError>(ControlFlow::Continue(()))
        })
        .unwrap();
    }
    all
}

/// The rows of one split lie in a file, those of the other in memory, and all are the same.
fn assert_same(stored: &Split, memory: &Split, augmentation: Augmentation) {
    for part in [&stored.train, &stored.test] {
        assert!(matches!(part.samples, Samples::Stored(_)), "{part:?}");
    }
    assert!(!matches!(memory.train.samples, Samples::Stored(_)));
    assert_eq!((&stored.standardization, stored.train.kind()), (&memory.standardization, memory.train.kind()));
    assert_eq!((&stored.train.targets, &stored.test.targets), (&memory.train.targets, &memory.test.targets));
    assert_eq!(stored.normalization(), memory.normalization());
    assert_eq!((stored.train.samples.len(), stored.train.shape), (memory.train.samples.len(), memory.train.shape));
    assert_eq!(stored.origin.content, memory.origin.content);
    assert_eq!(Provenance::of(stored).difference(&Provenance::of(memory)), None);
    assert!(batches(stored, augmentation) == batches(memory, augmentation), "batches differ");
}

/// What is said of the file that rows are read from.
fn packed(split: &Split) -> (PathBuf, bool) {
    let found = split.origin.notes.iter().find_map(|note| match note {
        Note::Packed { file, made, .. } => Some((file.clone(), *made)),
        _ => None,
    });
    found.expect("a note of the file")
}

#[test]
fn images_of_a_file_are_those_of_memory_to_the_last_bit() {
    let root = tempfile::tempdir().unwrap();
    let folder = images(root.path());
    let changed = Augmentation { flip: Flip::Alternating, shift: 3, cutout: 7, border: Border::Reflect };
    for (normalize, augmentation) in [
        (Normalize::None, Augmentation::default()),
        (Normalize::Channel, Augmentation::default()),
        (Normalize::Channel, changed),
    ] {
        let memory = loaded(&folder, &LoadOptions { normalize, ..LoadOptions::default() }).unwrap();
        let stored = loaded(&folder, &LoadOptions { normalize, ..in_file(root.path()) }).unwrap();
        assert_same(&stored, &memory, augmentation);
    }
    // What was written once is read again, and the notes beside it are those of the data.
    let again = loaded(&folder, &in_file(root.path())).unwrap();
    assert!(!packed(&again).1);
    assert_eq!(fs::read_dir(root.path().join("cache")).unwrap().count(), 1);
    // Both parts, one after the other, as all samples of a data set are.
    let all = again.part(Part::All);
    assert_eq!((all.rows(), all.samples.len()), (2100, 2100 * 4800));
    let mut row = vec![0.0; 4800];
    all.fill_row(2000, &mut row).unwrap();
    let mut first = vec![0.0; 4800];
    loaded(&folder, &LoadOptions::default()).unwrap().test.fill_row(0, &mut first).unwrap();
    assert_eq!(row, first);
}

/// Arrays of bytes as NumPy writes them: name, sizes, values.
type Arrays<'a> = &'a [(&'a str, &'a [usize], Vec<u8>)];

fn npz(path: &Path, method: zip::CompressionMethod, arrays: Arrays<'_>) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, sizes, values) in arrays {
        let sizes: String = sizes.iter().map(|size| format!("{size},")).collect();
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({sizes}), }}\n");
        archive.start_file(format!("{name}.npy"), options).unwrap();
        let length = (header.len() as u16).to_le_bytes();
        archive.write_all(&[b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn arrays_are_read_where_they_lie_and_packed_where_that_cannot_be() {
    use zip::CompressionMethod::{Deflated, Stored};
    let root = tempfile::tempdir().unwrap();
    let (place, labels) =
        (root.path().join("a.npz"), |rows: usize| (0..rows).map(|row| (row % 5) as u8).collect::<Vec<_>>());
    let (gray, last): (&[usize], &[usize]) = (&[40, 30], &[20, 20, 3]);
    for (method, sizes, lies) in [(Stored, gray, true), (Deflated, gray, false), (Stored, last, false)] {
        let shape = |rows: usize| [&[rows], sizes].concat();
        let values = |rows: usize| noise(rows * 1200);
        let [x, x_test] = [5000, 200].map(|rows| (shape(rows), values(rows)));
        npz(
            &place,
            method,
            &[
                ("y_test", &[200], labels(200)),
                ("x_train", &x.0, x.1),
                ("y_train", &[5000], labels(5000)),
                ("x_test", &x_test.0, x_test.1),
            ],
        );
        let memory = loaded(&place, &LoadOptions::default()).unwrap();
        let stored = loaded(&place, &in_file(root.path())).unwrap();
        assert_same(&stored, &memory, Augmentation { shift: 2, ..Augmentation::default() });
        let said = |split: &Split| {
            split.origin.notes.iter().any(|note| matches!(note, Note::Lying { file, .. } if *file == place))
        };
        assert_eq!(said(&stored), lies, "{:?}", stored.origin.notes);
        assert_eq!(packed_files(place.to_str().unwrap(), &in_file(root.path())).unwrap().is_empty(), lies);
        // The rows of both arrays, one after the other, and some of each.
        let (all, others) = (stored.part(Part::All), memory.part(Part::All));
        let [mut row, mut expected] = [(); 2].map(|()| vec![0.0; 3 * 1200]);
        all.select(&[5199, 0, 5000]).fill_rows(&[2, 0, 1], &mut row, &mut Vec::new()).unwrap();
        others.fill_rows(&[5000, 5199, 0], &mut expected, &mut Vec::new()).unwrap();
        assert_eq!(row, expected);
        uncache(place.to_str().unwrap(), &in_file(root.path())).unwrap();
    }
}

#[test]
fn a_file_of_data_that_changes_while_it_is_read_is_told_and_never_to_be_deleted() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("a.npz");
    let labels = |rows: usize| (0..rows).map(|row| (row % 2) as u8).collect::<Vec<_>>();
    let arrays: Arrays<'_> = &[("x", &[5000, 40, 30], noise(6_000_000)), ("y", &[5000], labels(5000))];
    npz(&place, zip::CompressionMethod::Stored, arrays);
    let split = loaded(&place, &in_file(root.path())).unwrap();
    let mut bytes = fs::read(&place).unwrap();
    bytes[5_500_000] ^= 1;
    fs::write(&place, &bytes).unwrap();
    let mut ended = Vec::new();
    for row in 0..split.train.rows() {
        if let Err(error) = split.train.fill_row(row, &mut [0.0; 1200]) {
            ended.push(error.to_string());
        }
    }
    let expected = "part 1 of 2 (from 0, 4 MiB each) was changed since it was written or loaded: expected its checksum; \
                    it is read while a network is trained on it: expected it to stay as it is for so long";
    assert!(ended.len() > 500 && ended.iter().all(|error| error.ends_with(expected)), "{:?}", ended.first());
    // A file that was spoilt before it is loaded has another sum than its archive says, as in memory.
    let told = |options: &LoadOptions| {
        let error = loaded(&place, options).unwrap_err();
        (error.to_string(), std::error::Error::source(&error).map(ToString::to_string))
    };
    assert_eq!(told(&in_file(root.path())), told(&LoadOptions::default()));
}

#[test]
fn tables_folders_and_drawn_samples_are_kept_as_well() {
    let root = tempfile::tempdir().unwrap();
    let table = root.path().join("t.csv");
    let line = |row: usize| format!("{},{},{}\n", row * row, ["oak", "elm", "ash"][row % 3], ["a", "b"][row % 2]);
    fs::write(&table, format!("size,tree,kind\n{}", (0..300).map(line).collect::<String>())).unwrap();
    let pictures = root.path().join("pictures");
    for (class, shade) in [("dark", 10u8), ("light", 90)] {
        fs::create_dir_all(pictures.join(class)).unwrap();
        for number in 0..20u8 {
            let file = fs::File::create(pictures.join(class).join(format!("{number}.png"))).unwrap();
            let mut encoder = png::Encoder::new(file, 6, 4);
            encoder.set_color(png::ColorType::Grayscale);
            let pixels: Vec<u8> = (0..24).map(|pixel| shade + 2 * number + pixel).collect();
            encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
        }
    }
    for place in [table.as_path(), &pictures, Path::new("digits")] {
        for options in [
            LoadOptions { train_size: Some(30), test_size: Some(8), ..LoadOptions::default() },
            LoadOptions { validation: 0.25, split_seed: 7, ..LoadOptions::default() },
        ] {
            let sized = |options: LoadOptions| match place == Path::new("digits") && options.train_size.is_none() {
                true => LoadOptions { train_size: Some(80), test_size: Some(20), ..options },
                false => options,
            };
            let memory = loaded(place, &sized(options.clone())).unwrap();
            let stored = loaded(place, &sized(LoadOptions { cache: in_file(root.path()).cache, ..options })).unwrap();
            assert_same(&stored, &memory, Augmentation::default());
            assert_eq!(stored.origin.notes.len(), memory.origin.notes.len() + 1, "{:?}", stored.origin.notes);
        }
    }
}

#[test]
fn what_is_asked_of_a_finished_training_is_in_its_file() {
    let root = tempfile::tempdir().unwrap();
    let table = root.path().join("t.csv");
    fs::write(&table, (0..90).map(|row| format!("{},{},{}\n", row * row, row % 7, row % 2)).collect::<String>())
        .unwrap();
    let folder = images(root.path());
    for place in [&table, &folder] {
        let options = in_file(root.path());
        let trained = loaded(place, &options).unwrap();
        let record = Provenance::of(&trained);
        let later = LoadOptions {
            standardization: record.standardization.clone(),
            images: record.image_plan(),
            tables: record.table_columns(),
            encoding: record.encoding.clone(),
            task: record.task(),
            target_scale: record.target,
            // That of the training, by which nothing here is drawn.
            seed: 7,
            ..options.clone()
        };
        assert_eq!(packed(&loaded(place, &later).unwrap()), (packed(&trained).0, false), "{}", place.display());
        // By another way to the same place, as a run knows it.
        let around = place.parent().unwrap().join(".").join(place.file_name().unwrap());
        assert_eq!(packed(&loaded(&around, &later).unwrap()), (packed(&trained).0, false), "{}", around.display());
        let at = place.to_str().unwrap();
        assert_eq!(content(at, &options).unwrap(), content(at, &LoadOptions::default()).unwrap());
        // Another standardization is another file.
        let means = Standardization { means: vec![1.0; 2], deviations: vec![2.0; 2] };
        if *place == table {
            let other = LoadOptions { standardization: Some(means), ..later };
            assert_ne!(packed(&loaded(place, &other).unwrap()), (packed(&trained).0, false));
        }
    }
}

#[test]
fn data_that_have_changed_are_packed_anew_and_the_files_are_listed_and_deleted() {
    let root = tempfile::tempdir().unwrap();
    let table = root.path().join("t.csv");
    let write = |last: usize| {
        let lines: String = (0..last).map(|row| format!("{row},{}\n", row % 2)).collect();
        fs::write(&table, lines).unwrap();
    };
    write(40);
    let options = in_file(root.path());
    let place = table.to_str().unwrap();
    assert_eq!(packed_files(place, &options).unwrap(), []);
    let (file, made) = packed(&loaded(&table, &options).unwrap());
    assert!(made && file.starts_with(root.path().join("cache")), "{}", file.display());
    write(60);
    let split = loaded(&table, &options).unwrap();
    assert_eq!((packed(&split), split.train.rows() + split.test.rows()), ((file.clone(), true), 60));
    // What a process left that was ended while it wrote, and what is another data set's.
    fs::write(file.with_extension("packed.part"), "half").unwrap();
    fs::write(root.path().join("cache/other.packed"), "whole").unwrap();
    let found = packed_files(place, &options).unwrap();
    assert_eq!(found.iter().map(|file| file.whole).collect::<Vec<_>>(), [true, false]);
    assert_eq!(uncache(place, &options).unwrap(), found);
    assert_eq!(fs::read_dir(root.path().join("cache")).unwrap().count(), 1);
    // Rows that are read go on being read where the system lets a file be deleted that is open.
    if cfg!(unix) {
        split.test.fill_row(0, &mut [0.0]).unwrap();
    }
}

#[test]
fn a_changed_or_cut_file_is_told_by_its_part() {
    let root = tempfile::tempdir().unwrap();
    let folder = images(root.path());
    let options = in_file(root.path());
    let (file, _) = packed(&loaded(&folder, &options).unwrap());
    let whole = fs::read(&file).unwrap();
    let mut row = vec![0.0; 4800];
    let told = |error: DatasetError| error.to_string().replace(file.to_str().unwrap(), "f");

    // A bit of a row in the second part: rows of the first are read, others of the second are not.
    let mut changed = whole.clone();
    changed[(4 << 20) + 4800 * 10 + 7] ^= 16;
    fs::write(&file, &changed).unwrap();
    let split = loaded(&folder, &options).unwrap();
    split.train.fill_row(0, &mut row).unwrap();
    let error = split.train.fill_row(1000, &mut row).unwrap_err();
    assert!(
        matches!(&error, DatasetError::Packed { fault: PackedFault::Changed { part: 1, parts: 3 }, .. }),
        "{error}"
    );
    let message = told(error);
    assert!(
        message.starts_with("f: part 1 of 3 (from 0, 4 MiB each) was changed since it was written or loaded"),
        "{message}"
    );
    assert!(message.ends_with("expected this file to be deleted, to be made anew from them"), "{message}");
    // A training hears of it in the place of the batch.
    let plan = Batches {
        size: 500,
        seed: 1,
        shuffle: false,
        augmentation: Augmentation::default(),
        drop_last: false,
        smoothing: 0.0,
    };
    let mut seen = 0;
    let ended = for_each_batch(&split.train, &plan, 0..4, |_, batch| {
        seen += batch.rows();
        Ok(ControlFlow::Continue(()))
    });
    assert!(matches!(ended, Err(DatasetError::Packed { .. })) && seen == 500, "{seen}");
    // So does a pass over all rows.
    let normalize = LoadOptions { normalize: Normalize::Channel, ..options.clone() };
    assert!(matches!(loaded(&folder, &normalize), Err(DatasetError::Packed { .. })));

    // Cut while it is open, before and after a part was looked at.
    fs::write(&file, &whole).unwrap();
    let split = loaded(&folder, &options).unwrap();
    split.train.fill_row(1999, &mut row).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_len(9_000_000).unwrap();
    let error = split.train.fill_row(1999, &mut row).unwrap_err();
    assert!(matches!(&error, DatasetError::Packed { fault: PackedFault::Cut { part: 2, parts: 3 }, .. }), "{error}");
    split.train.fill_row(1000, &mut row).unwrap();

    // What is not whole when it is opened: cut, a letter of the description changed, more behind it, something else.
    let description = whole.len() - 200;
    let mut spoilt = whole.clone();
    spoilt[description] ^= 1;
    for (bytes, expected) in [
        (&whole[..9_000_000], "f: other bytes at the end, expected the end of a packed file: it was cut or changed;"),
        (&spoilt[..], "f: a description of another checksum, expected the one that was written: it was changed;"),
        (&[&whole[..], b"more"].concat(), "f: other bytes at the end, expected"),
        (&[b"more".as_slice(), &whole].concat(), "f: 10080004 bytes of rows, expected as many as the description says"),
        (b"short", "f: 5 bytes, expected the end of a packed file"),
    ] {
        fs::write(&file, bytes).unwrap();
        let error = told(loaded(&folder, &options).unwrap_err());
        assert!(error.starts_with(expected), "{error}");
    }
    // A description that is whole and says what cannot be: sizes whose product no number holds.
    let (rows, tail) = whole.split_at(whole.len() - 20);
    let length = u64::from_le_bytes(*tail.first_chunk().unwrap()) as usize;
    let text = std::str::from_utf8(&rows[rows.len() - length..]).unwrap();
    for (wide, said) in [(1u64 << 62, "f: 2100 rows of 3 x 4611686018427387904"), (0, "f: 2100 rows of 3 x 0")] {
        let text = text.replacen("\"height\":40", &format!("\"height\":{wide}"), 1);
        let mut bytes = rows[..rows.len() - length].to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(crc32fast::hash(text.as_bytes()).to_le_bytes());
        bytes.extend(b"HSICROW1");
        fs::write(&file, &bytes).unwrap();
        let error = told(loaded(&folder, &options).unwrap_err());
        assert!(error.starts_with(said), "{error}");
    }
    // The remedy.
    uncache(folder.to_str().unwrap(), &options).unwrap();
    assert!(packed(&loaded(&folder, &options).unwrap()).1);
}

#[test]
fn what_is_changed_behind_the_first_look_is_told_when_it_is_read_again() {
    let root = tempfile::tempdir().unwrap();
    let options = in_file(root.path());
    let split = loaded(&images(root.path()), &options).unwrap();
    let (file, _) = packed(&split);
    let write = |place: u64, bytes: &[u8]| {
        let mut open = fs::File::options().write(true).open(&file).unwrap();
        open.seek(SeekFrom::Start(place)).unwrap();
        open.write_all(bytes).unwrap();
    };
    let row = || {
        let mut row = vec![0.0; 4800];
        split.train.fill_row(1000, &mut row).map(|()| row)
    };
    let (before, place) = (row().unwrap(), 4800 * 1000 + 7);
    let whole = fs::read(&file).unwrap();
    let (byte, next) = (whole[place], whole[place + 4800]);
    // Another row of the part, and then the bytes that were there.
    write(place as u64 + 4800, &[next ^ 1]);
    let told = row().unwrap_err();
    assert!(matches!(&told, DatasetError::Packed { fault: PackedFault::Changed { part: 1, parts: 3 }, .. }), "{told}");
    write(place as u64 + 4800, &[next]);
    assert_eq!(row().unwrap(), before);
    // A time that is set back hides nothing.
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    write(place as u64, &[byte ^ 1]);
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    assert!(cfg!(not(unix)) || row().is_err());
    write(place as u64, &[byte]);
    assert_eq!(row().unwrap(), before);
}

#[test]
fn a_packed_file_among_the_data_is_none_of_them() {
    let root = tempfile::tempdir().unwrap();
    let folder = images(root.path());
    let options = LoadOptions { cache: Some(folder.clone()), ..LoadOptions::default() };
    assert!(packed(&loaded(&folder, &options).unwrap()).1);
    assert!(!packed(&loaded(&folder, &options).unwrap()).1);
}

#[test]
fn two_that_pack_at_once_leave_one_whole_file() {
    let root = tempfile::tempdir().unwrap();
    let folder = images(root.path());
    let options = in_file(root.path());
    let made: Vec<bool> = std::thread::scope(|scope| {
        let each = |_| scope.spawn(|| packed(&loaded(&folder, &options).unwrap()).1);
        let handles: Vec<_> = (0..4).map(each).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|&&made| made).count(), 1, "{made:?}");
    let memory = loaded(&folder, &LoadOptions::default()).unwrap();
    assert_same(&loaded(&folder, &options).unwrap(), &memory, Augmentation::default());
    assert_eq!(fs::read_dir(root.path().join("cache")).unwrap().count(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let options = LoadOptions { cache: Some(file.join("inside")), train_size: Some(20), ..LoadOptions::default() };
    let error = load("digits", &options).unwrap_err();
    let DatasetError::Io { path, .. } = error else { panic!("{error}") };
    assert!(path.starts_with(file), "{}", path.display());
}
