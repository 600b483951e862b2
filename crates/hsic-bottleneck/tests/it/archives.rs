//! Folders of images inside an archive as data sets.

use std::error::Error;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use hsic_bottleneck::dataset::{DatasetError, LoadOptions, Split, load};
use lzma_rust2::{XzOptions, XzWriter};
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::encode;

/// An image of 3 x 2 pixels from a seed: of one shade if it is a JPEG.
fn picture(name: &str, seed: u8) -> Vec<u8> {
    let first = seed.wrapping_mul(31);
    if name.ends_with("png") {
        encode::png(3, 2, &[0, 1, 2, 3, 4, 5].map(|i| first.wrapping_add(40 * i)))
    } else {
        encode::jpeg(3, 2, first)
    }
}

/// Names and contents, in an order that is not the sorted one.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let images = [
        "train/dog/10.jpg",
        "train/cat/2.png",
        "train/cat/1.JPEG",
        "test/dog/9.png",
        "train/dog/9.png",
        "train/ant/only.png",
        "test/ant/b.jpg",
        "test/ant/a.jpg",
        "train/cat/03.png",
        "train/dog/a/1.png",
    ];
    let mut files: Vec<_> = images.into_iter().zip(1..).map(|(name, seed)| (name, picture(name, seed))).collect();
    // None of these is a sample.
    for name in [
        "README.txt",
        "train/cat/notes.txt",
        "train/cat/.hidden.png",
        "train/.git/x/1.png",
        "__MACOSX/train/cat/._2.png",
    ] {
        files.push((name, picture("png", 99)));
    }
    files
}

/// A tar archive of entries, each name behind `lead`, folders before all.
fn tar(lead: &str, folders: &[&str], files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for folder in folders {
        append(&mut builder, &format!("{lead}{folder}"), EntryType::Directory, &[]);
    }
    for (name, content) in files {
        append(&mut builder, &format!("{lead}{name}"), EntryType::Regular, content);
    }
    builder.into_inner().unwrap()
}

/// Appends an entry whatever its name is: the crate itself refuses to write `..`.
fn append(builder: &mut Builder<Vec<u8>>, name: &str, kind: EntryType, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    if kind == EntryType::Symlink {
        header.set_link_name("elsewhere").unwrap();
    }
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A zip archive of entries, half of them compressed.
fn zip(lead: &str, folders: &[&str], files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for folder in folders {
        writer.add_directory(format!("{lead}{folder}"), SimpleFileOptions::default()).unwrap();
    }
    for (index, (name, content)) in files.iter().enumerate() {
        let method = if index % 2 == 0 { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(format!("{lead}{name}"), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A folder in which archives are written.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, name: &str, bytes: &[u8]) -> Result<Split, DatasetError> {
        fs::write(self.path(name), bytes).unwrap();
        load(self.path(name).to_str().unwrap(), &LoadOptions::default())
    }

    fn fails(&self, name: &str, bytes: &[u8]) -> DatasetError {
        self.load(name, bytes).unwrap_err()
    }

    /// The message, the folder's name taken out.
    fn message(&self, name: &str, bytes: &[u8]) -> String {
        self.fails(name, bytes).to_string().replace(self.0.path().to_str().unwrap(), "DIR")
    }
}

fn unpack(root: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn an_archive_gives_the_samples_of_the_unpacked_folder() {
    let (place, files) = (Place::new(), files());
    unpack(&place.path("pets"), &files);
    let expected = load(place.path("pets").to_str().unwrap(), &LoadOptions::default()).unwrap();
    assert_eq!((expected.train.labels(), expected.test.labels()), (&[0, 1, 2, 1, 2, 1, 2][..], &[0, 2, 0][..]));
    let folders = ["train/", "train/dog/", "test/"];
    for lead in ["", "./", "pets-1.0/", "./a/"] {
        for folders in [&folders[..], &[]] {
            let plain = tar(lead, folders, &files);
            for (name, bytes) in [
                ("pets.tar", plain.clone()),
                ("pets.tar.gz", gzip(&plain)),
                ("pets.TGZ", gzip(&plain)),
                ("pets.tar.xz", xz(&plain)),
                ("pets.txz", xz(&plain)),
                // Two streams, as programs that compress on several threads write.
                ("pets.tar.xz", [xz(&plain[..2000]), xz(&plain[2000..])].concat()),
                ("pets.tar.gz", [gzip(&plain[..2000]), gzip(&plain[2000..])].concat()),
                ("pets.zip", zip(lead, folders, &files)),
            ] {
                let found = place.load(name, &bytes).unwrap();
                assert_eq!((&found, &found.origin.content), (&expected, &expected.origin.content), "{lead} {name}");
            }
        }
    }
}

#[test]
fn an_archive_without_a_test_part_is_split_as_its_folder_is() {
    let place = Place::new();
    let names: Vec<String> = (0..24).map(|i| format!("{}/{i}.png", ["a", "b"][i % 2])).collect();
    let files: Vec<_> = names.iter().zip(0..).map(|(name, seed)| (name.as_str(), picture(name, seed))).collect();
    unpack(&place.path("pets"), &files);
    let options = LoadOptions { split_seed: 3, train_size: Some(11), validation: 0.2, ..LoadOptions::default() };
    let expected = load(place.path("pets").to_str().unwrap(), &options).unwrap();
    fs::write(place.path("pets.tar"), tar("top/", &[], &files)).unwrap();
    assert_eq!(load(place.path("pets.tar").to_str().unwrap(), &options).unwrap(), expected);
}

#[test]
fn each_fault_of_an_archive_names_the_entry_and_what_was_expected() {
    let place = Place::new();
    let with = |name: &str, kind, content: &[u8]| {
        let mut builder = Builder::new(Vec::new());
        for (name, content) in files() {
            append(&mut builder, name, EntryType::Regular, &content);
        }
        append(&mut builder, name, kind, content);
        place.message("f.tar", &builder.into_inner().unwrap())
    };
    let (file, png) = (EntryType::Regular, picture("png", 1));
    for (name, kind, content, message) in [
        (
            "train/cat/4.png",
            EntryType::Symlink,
            &[][..],
            ": train/cat/4.png: a link to no image file of the archive, expected plain files below the folder",
        ),
        (
            "train/cat/4.png",
            EntryType::Link,
            &[],
            ": train/cat/4.png: a link to no image file of the archive, expected plain files below the folder",
        ),
        (
            "dev/null",
            EntryType::Char,
            &[],
            ": dev/null: neither a file nor a folder, expected plain files below the folder",
        ),
        (
            "../x.png",
            file,
            &png,
            ": ../x.png: a path that leads out of the archive, expected plain files below the folder",
        ),
        (
            "/train/cat/4.png",
            file,
            &png,
            ": /train/cat/4.png: a path that leads out of the archive, expected plain files below the folder",
        ),
        (
            "./train/cat/2.png",
            file,
            &png,
            ": ./train/cat/2.png: a name that comes twice, expected plain files below the folder",
        ),
        (
            "train/cat/00.png",
            file,
            b"GIF89a",
            "/train/cat/00.png: not readable, expected a PNG, JPEG, BMP, GIF, TIFF or WebP image",
        ),
        (
            "train/eel/",
            EntryType::Directory,
            &[],
            "/train/eel: no image, expected files that end in .png, .jpg, .jpeg, .bmp, .gif, .tif, .tiff or .webp",
        ),
        ("test/eel/1.png", file, &png, "/test: label eel in the test part, expected a label of the training part"),
    ] {
        assert_eq!(with(name, kind, content), format!("DIR/f.tar{message}"));
    }
    let none = "0 folders, expected 2 to 65536, one for the images of each class";
    assert_eq!(place.message("f.tar", &tar("", &[], &[])), format!("DIR/f.tar: {none}"));
    assert_eq!(place.message("f.tar", &tar("", &[], &[("a.png", png)])), format!("DIR/f.tar: {none}"));
}

#[test]
fn files_that_are_stored_as_links_are_samples() {
    let place = Place::new();
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files() {
        append(&mut builder, name, EntryType::Regular, &content);
    }
    let mut link = |name: &str, kind: EntryType, target: &str| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    };
    // A hard link names its file from the top, a symbolic one from its folder; the last leads to what comes before it.
    link("train/cat/4.png", EntryType::Link, "train/dog/9.png");
    link("train/cat/5.png", EntryType::Symlink, "../dog/9.png");
    link("train/cat/6.png", EntryType::Symlink, "5.png");
    let found = place.load("f.tar", &builder.into_inner().unwrap()).unwrap();
    let mut copied = files();
    let dog = picture("png", 5);
    copied.extend(["train/cat/4.png", "train/cat/5.png", "train/cat/6.png"].map(|name| (name, dog.clone())));
    unpack(&place.path("f"), &copied);
    let expected = load(place.path("f").to_str().unwrap(), &LoadOptions::default()).unwrap();
    assert_eq!(found.train.class_counts(), [1, 6, 3]);
    assert_eq!((found.train, found.origin.content), (expected.train, expected.origin.content));
}

#[test]
fn a_zip_archive_that_is_damaged_or_none_is_refused() {
    let place = Place::new();
    let whole = zip("", &["train/"], &files());
    for length in [0, 100, whole.len() / 2, whole.len() - 30] {
        let error = place.message("f.zip", &whole[..length]);
        assert_eq!(error, "DIR/f.zip: not readable, expected a zip archive of a folder of images", "{length}");
    }
    let outside = zip("../", &[], &files());
    let error = place.message("f.zip", &outside);
    assert!(error.contains(": a path that leads out of the archive, expected plain files below the folder"), "{error}");
    // A member that claims 1 GiB of a few bytes: its size stands in the directory at the end.
    let mut claim = zip("", &[], &files());
    let directory = claim.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    claim[directory + 24..directory + 28].copy_from_slice(&(1u32 << 30).to_le_bytes());
    let error = place.fails("f.zip", &claim);
    assert!(matches!(error, DatasetError::Oversized { claimed: 0x4000_0000, .. }), "{error}");
}

#[test]
fn archives_that_are_cut_or_none_are_refused_wherever_they_are_cut() {
    let place = Place::new();
    let files = files();
    let plain = tar("", &[], &files);
    let message = |length: usize| place.message("f.tar", &plain[..length]);
    // Before the first entry's end, after it, and within the next header.
    let first = files[0].1.len();
    assert_eq!(message(600), format!("DIR/f.tar/train/dog/10.jpg: 88 bytes of data, expected {first}"));
    let cut = 512 + first.next_multiple_of(512);
    for length in [0, 100, cut, cut + 100] {
        let expected =
            format!("ends after {length} bytes (decompressed) without an end marker, expected a whole archive");
        assert_eq!(message(length), format!("DIR/f.tar: {expected}"));
    }
    for (name, whole) in [("f.tar.gz", gzip(&plain)), ("f.tar.xz", xz(&plain))] {
        // The last byte is of a checksum of all of it.
        for length in [0, 1, 20, whole.len() / 2, whole.len() - 1] {
            let error = place.message(name, &whole[..length]);
            assert!(error.starts_with(&format!("DIR/{name}")) && error.contains("expected"), "{length}: {error}");
        }
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        place.fails(name, &changed);
    }
    for (name, kind) in [
        ("f.tar", "a tar archive"),
        ("f.tar.gz", "a tar archive compressed by gzip"),
        ("f.tar.xz", "a tar archive compressed by xz"),
    ] {
        let error = place.fails(name, &[b'x'; 2000]);
        assert!(error.to_string().ends_with(&format!("{name}: not readable, expected {kind}")), "{error}");
        assert!(error.source().is_some());
    }
    let error = load(place.path("none.tar.xz").to_str().unwrap(), &LoadOptions::default()).unwrap_err();
    assert!(matches!(&error, DatasetError::Io { path, .. } if *path == place.path("none.tar.xz")), "{error}");
}

#[test]
fn an_entry_that_claims_too_much_and_a_bomb_are_refused_before_memory_is_taken() {
    let place = Place::new();
    let mut header = Header::new_gnu();
    header.set_path("train/a/1.png").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    assert_eq!(
        place.message("f.tar", header.as_bytes()),
        "DIR/f.tar/train/a/1.png: 1099511627776 bytes, expected at most 67108864: make it smaller, or compress it less"
    );
    // 4 GiB and more of zeros behind the name of no image, which are skipped and yet counted.
    header.set_path("zeros").unwrap();
    header.set_size(1 << 33);
    header.set_cksum();
    let start = [&gzip(header.as_bytes())[..]].concat();
    let piece = gzip(&vec![0; 1 << 24]);
    let bomb = [start, piece.repeat(257)].concat();
    assert_eq!(
        place.message("f.tar.gz", &bomb),
        "DIR/f.tar.gz: 4294967297 bytes, expected at most 4294967296: make it smaller, or compress it less"
    );
    // A dictionary of 3 GiB, in the first block's header (39 in the property of its filter).
    let mut claim = xz(&tar("", &[], &files()));
    let block = 12..12 + 4 * (usize::from(claim[12]) + 1);
    assert_eq!(claim[block.start + 2..block.start + 4], [0x21, 1], "the LZMA2 filter and one byte of property");
    claim[block.start + 4] = 39;
    let mut crc = flate2::Crc::new();
    crc.update(&claim[block.start..block.end - 4]);
    claim[block.end - 4..block.end].copy_from_slice(&crc.sum().to_le_bytes());
    let error = place.fails("f.tar.xz", &claim);
    assert!(error.source().is_some_and(|reason| reason.to_string().contains("mem_limit")), "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn mutated_and_cut_archives_never_panic(
        kind in 0..4usize,
        cut in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let plain = tar("", &["train/"], &files());
        let (name, mut bytes) = match kind {
            0 => ("f.tar", plain),
            1 => ("f.tgz", gzip(&plain)),
            2 => ("f.txz", xz(&plain)),
            _ => ("f.zip", zip("", &["train/"], &files())),
        };
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        bytes.truncate(2 * cut.index(bytes.len()));
        if let Ok(split) = Place::new().load(name, &bytes) {
            prop_assert_eq!(split.train.samples.len(), split.train.rows() * split.train.columns());
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn the_real_archive_holds_what_its_folder_holds() {
    let folder = std::env::var_os("HSIC_DATA").map(|folder| Path::new(&folder).join("cifar10-jpeg"));
    let archive = folder.as_ref().map(|folder| folder.with_extension("tar.xz"));
    let (Some(folder), Some(archive)) = (folder.filter(|path| path.is_dir()), archive.filter(|path| path.is_file()))
    else {
        println!("skipped: HSIC_DATA names no folder that holds cifar10-jpeg and cifar10-jpeg.tar.xz");
        return;
    };
    let read = |path: &Path| load(path.to_str().unwrap(), &LoadOptions::default()).unwrap();
    let (packed, unpacked) = (read(&archive), read(&folder));
    assert!(packed == unpacked && packed.origin.content == unpacked.origin.content);
}
