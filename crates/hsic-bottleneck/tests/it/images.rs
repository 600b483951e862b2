//! Image files of every format, as other programs write them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use hsic_bottleneck::dataset::{DatasetError, LoadOptions, Shape, load, read_image};
use proptest::prelude::*;
use serde::Deserialize;
use tempfile::TempDir;

/// What `reference/images.py` writes.
#[derive(Deserialize)]
struct Reference {
    files: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    bytes: String,
    shape: [usize; 3],
    /// Levels by which a value may differ: one or two of a JPEG, which leaves open how its transform and its conversion of
    /// colors are rounded, else none.
    tolerance: u8,
    values: String,
}

impl Entry {
    fn bytes(&self) -> Vec<u8> {
        unhex(&self.bytes)
    }

    fn shape(&self) -> Shape {
        let [channels, height, width] = self.shape;
        Shape { channels, height, width }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn reference() -> BTreeMap<String, Entry> {
    serde_json::from_str::<Reference>(include_str!("../reference/images.json")).unwrap().files
}

/// A folder for files.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str, bytes: &[u8]) -> Result<(Shape, Vec<u8>), DatasetError> {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        read_image(&path)
    }

    /// The error and its reasons, the folder's name taken out.
    fn told(&self, name: &str, bytes: &[u8]) -> String {
        let error = self.read(name, bytes).unwrap_err();
        let mut text = error.to_string().replace(self.0.path().to_str().unwrap(), "DIR");
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(reason) = cause {
            text.push_str(&format!("; {reason}"));
            cause = reason.source();
        }
        text
    }
}

#[test]
fn files_of_every_format_give_the_values_that_pillow_gives() {
    let place = Place::new();
    let mut formats = BTreeMap::<String, usize>::new();
    for (name, entry) in reference() {
        let (shape, values) = place.read(&name, &entry.bytes()).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(shape, entry.shape(), "{name}");
        let expected = unhex(&entry.values);
        let apart = values.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(values.len() == expected.len() && apart <= Some(entry.tolerance), "{name}: {apart:?} levels apart");
        *formats.entry(name.rsplit('.').next().unwrap().to_owned()).or_default() += 1;
    }
    let expected = [("bmp", 8), ("gif", 6), ("jpg", 12), ("png", 11), ("tif", 21), ("webp", 5)];
    assert_eq!(formats, expected.map(|(format, count)| (format.to_owned(), count)).into());
}

#[test]
fn photographs_are_turned_as_their_note_says() {
    let (place, files) = (Place::new(), reference());
    let values = |number: usize| place.read("a.jpg", &files[&format!("turned-{number}.jpg")].bytes()).unwrap();
    let (shape, first) = values(1);
    assert_eq!((shape.width, shape.height), (7, 5));
    // The same pixels in another order: nothing is decoded otherwise.
    let at = |x: usize, y: usize| first[7 * y + x];
    let (other, fourth) = values(4);
    assert_eq!(other, shape);
    assert!((0..35).all(|i| fourth[i] == at(i % 7, 4 - i / 7)));
    let (other, sixth) = values(6);
    assert_eq!((other.width, other.height), (5, 7));
    assert!((0..35).all(|i| sixth[i] == at(i / 5, 4 - i % 5)));
}

#[test]
fn the_first_bytes_decide_and_not_the_name() {
    let (place, files) = (Place::new(), reference());
    let (png, jpeg) = (&files["colors.png"], &files["gray.jpg"]);
    assert_eq!(place.read("a.jpg", &png.bytes()).unwrap(), (png.shape(), unhex(&png.values)));
    assert_eq!(place.read("a.png", &jpeg.bytes()).unwrap().0, jpeg.shape());
    let lead = "not readable, expected a PNG, JPEG, BMP, GIF, TIFF or WebP image";
    for (bytes, reason) in [
        (&b"some text\n"[..], "it begins with \"some tex\", which none of these formats does"),
        (b"", "it begins with \"\", which none of these formats does"),
        (b"BM", "BMP: the header ends at byte 14, expected at most 2, the file's bytes"),
        (b"II*\0", "TIFF: the header ends at byte 8, expected at most 4, the file's bytes"),
        (b"MM\0+\0\x08\0\0", "TIFF: version 43, expected 42"),
        (b"GIF89a", "GIF: it cannot be decoded; Unexpected End of File"),
        (b"\x89PNG\r\n\x1a\n", "PNG: it cannot be decoded; unexpected end of file"),
    ] {
        assert_eq!(place.told("a.png", bytes), format!("DIR/a.png: {lead}; {reason}"));
    }
    for bytes in [&b"\xff\xd8\xff"[..], b"RIFF\0\0\0\0WEBPVP8 "] {
        let told = place.told("a.png", bytes);
        assert!(told.starts_with(&format!("DIR/a.png: {lead}; ")) && told.contains("cannot be decoded; "), "{told}");
    }
}

#[test]
fn a_folder_of_images_may_have_every_format() {
    let (place, files) = (Place::new(), reference());
    for class in ["a", "b"] {
        fs::create_dir_all(place.path(&format!("train/{class}"))).unwrap();
        fs::create_dir_all(place.path(&format!("test/{class}"))).unwrap();
        for name in ["colors.png", "whole.jpg", "colors.bmp", "palette.gif", "lzw.tif", "lossless.webp"] {
            for part in ["train", "test"] {
                fs::write(place.path(&format!("{part}/{class}/{name}")), files[name].bytes()).unwrap();
            }
        }
        fs::write(place.path(&format!("train/{class}/notes.txt")), "none").unwrap();
    }
    let split = load(place.0.path().to_str().unwrap(), &LoadOptions::default()).unwrap();
    assert_eq!((split.train.rows(), split.train.shape), (12, Shape { channels: 3, height: 5, width: 7 }));
}

#[test]
fn a_file_that_is_cut_is_refused_or_whole() {
    let place = Place::new();
    for (name, entry) in reference() {
        let bytes = entry.bytes();
        let whole = place.read(&name, &bytes).unwrap();
        // What follows the last pixel may be missing, of most formats a few bytes. A file is cut shorter and shorter,
        // which is faster than to write it each time.
        let (path, file) = (place.path(&name), fs::File::options().write(true).open(place.path(&name)).unwrap());
        let short = (0..bytes.len()).rev().filter(|&length| {
            file.set_len(length as u64).unwrap();
            let read = read_image(&path).ok();
            assert!(read.is_none() || read.as_ref() == Some(&whole), "{name} of {length} bytes of {}", bytes.len());
            read.is_some()
        });
        let short = short.count();
        assert!(short < bytes.len() / 2, "{name}: {short} of {} lengths are read", bytes.len());
    }
}

#[test]
fn a_jpeg_without_its_end_marker_is_read_if_its_pixels_are_there() {
    let (place, files) = (Place::new(), reference());
    let mut read = 0;
    for (name, entry) in files.iter().filter(|(name, _)| name.ends_with(".jpg")) {
        let bytes = entry.bytes();
        let whole = place.read(name, &bytes).unwrap();
        let open = &bytes[..bytes.len() - 2];
        assert_eq!(bytes[open.len()..], [0xff, 0xd9]);
        if name == "progressive.jpg" {
            // A scan may be missing that would have made the picture sharper.
            let told = place.told(name, open);
            assert_eq!(told, format!("DIR/{name}: 539 bytes of JPEG without an end marker, expected a whole file"));
            continue;
        }
        // Cut off, cut in the marker, or followed by what is none.
        for rest in [&[][..], &[0xff], &[0; 40], &[0xff, 0x00, 0x12]] {
            assert_eq!(place.read(name, &[open, rest].concat()).unwrap(), whole, "{name} {rest:?}");
        }
        read += 1;
    }
    assert_eq!(read, 11);
    let shade = crate::encode::jpeg(8, 8, 77);
    let (_, values) = place.read("a.jpg", &shade[..shade.len() - 2]).unwrap();
    assert_eq!(values, [77; 64]);
}

#[test]
fn headers_that_claim_too_much_are_refused_before_memory_is_taken() {
    let (place, files) = (Place::new(), reference());
    let claim = |name: &str, places: &[(usize, &[u8])]| {
        let mut bytes = files[name].bytes();
        for (at, claim) in places {
            bytes[*at..*at + claim.len()].copy_from_slice(claim);
        }
        place.read(name, &bytes).unwrap_err()
    };
    let largest = u32::MAX.to_le_bytes();
    let too_large = |error: &DatasetError| matches!(error, DatasetError::TooLarge { .. });
    let oversized = |error: &DatasetError| matches!(error, DatasetError::Oversized { .. });
    // Width and height of a BMP at byte 18, of a GIF's screen at 6, of a WebP without loss 14 bits each at 21.
    let error = claim("colors.bmp", &[(18, &[0, 0, 1, 0, 0, 0, 1, 0])]);
    assert!(too_large(&error), "{error}");
    let error = claim("colors.bmp", &[(18, &[0, 0x10, 0, 0, 0, 0x10, 0, 0])]);
    assert!(oversized(&error), "{error}");
    let error = claim("colors.bmp", &[(18, &[0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0x80])]);
    assert!(too_large(&error), "{error}");
    let error = claim("palette.gif", &[(6, &largest)]);
    assert!(too_large(&error), "{error}");
    let error = claim("palette.gif", &[(6, &[0, 16, 0, 16])]);
    assert!(oversized(&error), "{error}");
    let error = claim("lossless.webp", &[(21, &[0xfe, 0xbf, 0xff, 0x0f])]);
    assert!(too_large(&error), "{error}");
    // The sizes of a JPEG follow the marker of its frame.
    let jpeg = files["gray.jpg"].bytes();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let error = claim("gray.jpg", &[(frame + 5, &largest)]);
    assert!(too_large(&error), "{error}");
    let error = claim("gray.jpg", &[(frame + 5, &[0x20, 0, 0x20, 0])]);
    assert!(oversized(&error), "{error}");
    // Entries of the directory of a TIFF: width, height, and the bytes of a strip, which may name a large value that is
    // not there; twelve bytes each, the value last.
    let tiff = files["four-bits.tif"].bytes();
    let entry = |tag: u16| {
        (14..tiff.len()).step_by(12).find(|&at| tiff[at..at + 2] == tag.to_le_bytes()).map(|at| at + 8).unwrap()
    };
    let error = claim("four-bits.tif", &[(entry(256), &[0xff, 0xff]), (entry(257), &[0xff, 0xff])]);
    assert!(too_large(&error), "{error}");
    let error = claim("four-bits.tif", &[(entry(256), &[0, 0x1f]), (entry(257), &[0, 0x1f])]);
    assert!(oversized(&error), "{error}");
    for tag in [273, 279] {
        let error = claim("four-bits.tif", &[(entry(tag), &largest)]);
        assert!(matches!(error, DatasetError::Image { .. }), "{error}");
    }
}

/// A TIFF of one gray row of 1 x 1, with these entries (tag, type, count, value) instead or besides.
fn tiff(changes: &[[u32; 4]]) -> Vec<u8> {
    let mut entries = BTreeMap::from([
        (256, [3, 1, 1]),
        (257, [3, 1, 1]),
        (258, [3, 1, 8]),
        (259, [3, 1, 1]),
        (262, [3, 1, 1]),
        (273, [4, 1, 0]),
        (277, [3, 1, 1]),
        (279, [4, 1, 1]),
    ]);
    entries.extend(changes.iter().map(|&[tag, kind, count, value]| (tag, [kind, count, value])));
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, [kind, count, value]) in entries {
        bytes.extend([tag as u16, kind as u16].map(u16::to_le_bytes).concat());
        bytes.extend([count, value].map(u32::to_le_bytes).concat());
    }
    bytes
}

#[test]
fn a_tiff_that_is_not_read_is_told_why() {
    let place = Place::new();
    // The pixel is the file's first byte, an I.
    assert_eq!(place.read("a.tif", &tiff(&[])).unwrap().1, [b'I']);
    for (changes, reason) in [
        (&[[258, 3, 1, 32]][..], "bits of a sample 32, expected 1, 2, 4, 8 or 16, the same for all"),
        (&[[339, 3, 1, 3]], "sample format 3, expected 1 (whole numbers without a sign)"),
        (&[[262, 3, 1, 5]], "photometric interpretation 5, expected 0 or 1 (gray), 2 (RGB) or 3 (palette)"),
        (&[[262, 3, 1, 2]], "samples of a pixel 1, expected those of its colors, and at most 16"),
        (&[[262, 3, 1, 3]], "numbers of the palette 0, expected three for each color"),
        (&[[259, 3, 1, 7]], "compression 7, expected 1 (none), 5 (LZW), 8 (deflate) or 32773 (PackBits)"),
        (&[[317, 3, 1, 3]], "predictor 3, expected 1 (none), or 2 (differences) of samples of 8 or 16 bits"),
        (&[[266, 3, 1, 2]], "fill order 2, expected 1 (the highest bit first)"),
        (&[[284, 3, 1, 3]], "planar configuration 3, expected 1 or 2"),
        (&[[278, 3, 1, 0]], "the least side of a part of the image 0, expected a pixel or more"),
        (&[[257, 3, 1, 3], [278, 3, 1, 1]], "parts 1, expected as many as it takes to fill the image"),
        (&[[257, 3, 1, 3]], "1 bytes of pixels, expected 3"),
        (&[[322, 3, 1, 0], [323, 3, 1, 16]], "the least side of a part of the image 0, expected a pixel or more"),
    ] {
        let told = place.told("a.tif", &tiff(changes));
        assert!(told.ends_with(&format!("WebP image; TIFF: {reason}")), "{told}");
    }
    // A tile of 4 GiB, and many of them.
    for changes in [
        &[[322, 4, 1, u32::MAX], [323, 4, 1, 1], [324, 4, 1, 0], [325, 4, 1, 1]][..],
        &[[257, 3, 1, 60_000], [322, 4, 1, 1 << 20], [323, 4, 1, 1]],
    ] {
        let error = place.read("a.tif", &tiff(changes)).unwrap_err();
        assert!(matches!(error, DatasetError::TooLarge { .. }), "{error}");
    }
    let error = place.told("a.tif", &tiff(&[[256, 3, 1, 0]]));
    assert_eq!(error, "DIR/a.tif: no values, expected at least one row and one column");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn mutated_and_cut_images_never_panic(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        thread_local! {
            static FILES: Vec<Vec<u8>> = reference().values().map(Entry::bytes).collect();
            static PLACE: Place = Place::new();
        }
        let mut bytes = FILES.with(|files| files[which.index(files.len())].clone());
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        // Half of the files stay whole.
        bytes.truncate(2 * cut.index(bytes.len()));
        if let Ok((shape, data)) = PLACE.with(|place| place.read("f", &bytes)) {
            prop_assert_eq!(shape.columns(), data.len());
        }
    }
}
