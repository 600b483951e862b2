//! IDX files, plain or gzip, and the data sets in that format: `mnist`, `fashion-mnist`.
//!
//! Format: a big-endian magic number (00 00, type 08 = unsigned byte, number of dimensions), a big-endian u32 for each
//! dimension, then the bytes. Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::{Dataset, DatasetError, DatasetSource, LoadOptions, Samples, Shape, Split};

/// Magic numbers: unsigned bytes in three dimensions and in one.
const IMAGES: (u32, &str) = (0x0000_0803, "images");
const LABELS: (u32, &str) = (0x0000_0801, "labels");

/// Deflate encodes at most 258 bytes in two bits: no more than 1032 bytes come from one (RFC 1951, 3.2.5).
pub(super) const DEFLATE_RATIO: u64 = 1032;

/// Files of the training and the test part, samples then labels.
const FILES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// A data set of ten classes in the usual four files.
pub(super) struct Idx {
    name: &'static str,
    description: &'static str,
    /// A folder where a distribution's package puts it.
    package: Option<&'static str>,
    class_names: [&'static str; 10],
}

pub(super) static MNIST: Idx = Idx {
    name: "mnist",
    description: "handwritten digits, 60,000 + 10,000 gray images of 28 x 28, 10 classes (LeCun et al. 1998)",
    package: None,
    class_names: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
};

pub(super) static FASHION_MNIST: Idx = Idx {
    name: "fashion-mnist",
    description: "articles of clothing, 60,000 + 10,000 gray images of 28 x 28, 10 classes (Xiao et al. 2017)",
    package: Some("/usr/share/datasets/fashion-mnist"),
    class_names: [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
};

impl DatasetSource for Idx {
    fn name(&self) -> &'static str {
        self.name
    }

    fn description(&self) -> &'static str {
        self.description
    }

    fn load(&self, options: &LoadOptions) -> Result<Split, DatasetError> {
        let folders = self.folders(options.data_dir.as_deref(), |variable| env::var_os(variable));
        let [train_images, train_labels, test_images, test_labels] = self.find(folders)?;
        let mut train = self.part(&train_images, &train_labels)?;
        let mut test = self.part(&test_images, &test_labels)?;
        if train.shape != test.shape {
            return Err(DatasetError::PartShape { name: self.name.into(), train: train.shape, test: test.shape });
        }
        train.keep_first("training", options.train_size)?;
        test.keep_first("test", options.test_size)?;
        Ok(Split { train, test, standardization: None })
    }
}

impl Idx {
    /// The folders to look at, in order. A folder with the data set's name comes before the one that holds it, because
    /// data sets of this format share their file names.
    fn folders(&self, data_dir: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
        if let Some(folder) = data_dir {
            return vec![folder.join(self.name), folder.to_owned()];
        }
        let mut folders = Vec::new();
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(folder) = set("HSIC_DATA") {
            folders.extend([folder.join(self.name), folder]);
        }
        if let Some(home) = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share"))) {
            folders.push(home.join("hsic").join(self.name));
        }
        folders.extend(self.package.map(PathBuf::from));
        folders
    }

    /// The four files in the first folder that has one of them.
    fn find(&self, folders: Vec<PathBuf>) -> Result<[PathBuf; 4], DatasetError> {
        let in_folder = |folder: &Path| {
            FILES.map(|file| {
                [folder.join(file), folder.join(format!("{file}.gz"))].into_iter().find(|path| path.is_file())
            })
        };
        for folder in &folders {
            let found = in_folder(folder);
            let missing: Vec<_> =
                FILES.iter().zip(&found).filter(|(_, path)| path.is_none()).map(|(&f, _)| f).collect();
            if missing.len() == FILES.len() {
                continue;
            }
            let [Some(a), Some(b), Some(c), Some(d)] = found else {
                return Err(DatasetError::FilesMissing {
                    name: self.name,
                    files: missing,
                    directories: vec![folder.clone()],
                });
            };
            return Ok([a, b, c, d]);
        }
        Err(DatasetError::FilesMissing { name: self.name, files: FILES.to_vec(), directories: folders })
    }

    /// One part from its two files.
    fn part(&self, images: &Path, labels: &Path) -> Result<Dataset, DatasetError> {
        let ([sample_count, height, width], pixels) = read(images, open(images)?, IMAGES)?;
        let ([label_count], classes) = read(labels, open(labels)?, LABELS)?;
        if sample_count != label_count {
            return Err(DatasetError::CountMismatch {
                samples: images.to_owned(),
                sample_count,
                labels: labels.to_owned(),
                label_count,
            });
        }
        let known = self.class_names.len();
        if let Some(index) = classes.iter().position(|&label| usize::from(label) >= known) {
            return Err(DatasetError::LabelRange {
                path: labels.to_owned(),
                index,
                label: classes[index],
                classes: known,
            });
        }
        Ok(Dataset {
            name: self.name.into(),
            samples: Samples::Bytes(pixels),
            shape: Shape { channels: 1, height, width },
            labels: classes.into_iter().map(u16::from).collect(),
            class_names: self.class_names.map(String::from).to_vec(),
            normalization: None,
        })
    }
}

/// The bytes of a file, decompressed if it begins as gzip does, whatever its name, and the most that there can be.
struct Bytes<'a> {
    reader: Box<dyn Read + 'a>,
    possible: u64,
    compressed: bool,
}

fn open(path: &Path) -> Result<Bytes<'static>, DatasetError> {
    let error = |source| DatasetError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(error)?;
    let length = file.metadata().map_err(error)?.len();
    decompress(BufReader::with_capacity(1 << 16, file), length).map_err(error)
}

fn decompress<'a>(mut reader: impl BufRead + 'a, length: u64) -> std::io::Result<Bytes<'a>> {
    Ok(if reader.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        Bytes {
            reader: Box::new(MultiGzDecoder::new(reader)),
            possible: length.saturating_mul(DEFLATE_RATIO),
            compressed: true,
        }
    } else {
        Bytes { reader: Box::new(reader), possible: length, compressed: false }
    })
}

/// Reads up to `limit` bytes; an early end is no error here, because only the caller knows what was due.
fn read_up_to(path: &Path, reader: &mut dyn Read, limit: u64) -> Result<Vec<u8>, DatasetError> {
    // The vector grows with what arrives: a header's claim never takes memory by itself.
    let mut bytes = Vec::new();
    match reader.take(limit).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        // A gzip stream that is cut off says so in this way.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(bytes),
        Err(source) => Err(DatasetError::Io { path: path.to_owned(), source }),
    }
}

/// Sizes and bytes of an IDX file of `D` dimensions.
fn read<const D: usize>(
    path: &Path,
    mut input: Bytes<'_>,
    (magic, kind): (u32, &'static str),
) -> Result<([usize; D], Vec<u8>), DatasetError> {
    let truncated = |what, found, expected| DatasetError::Truncated { path: path.to_owned(), what, found, expected };
    let header_bytes = 4 * (D as u64 + 1);
    let header = read_up_to(path, &mut input.reader, header_bytes)?;
    let words: Vec<u32> = header.as_chunks().0.iter().map(|&word| u32::from_be_bytes(word)).collect();
    match words.first() {
        Some(&found) if found != magic => {
            return Err(DatasetError::Magic { path: path.to_owned(), found, expected: magic, kind });
        }
        _ if words.len() <= D => return Err(truncated("header", header.len() as u64, header_bytes)),
        _ => {}
    }
    let sizes: [usize; D] = std::array::from_fn(|k| words[k + 1] as usize);
    if sizes.contains(&0) {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    let claimed = sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64)).unwrap_or(u64::MAX);
    let possible = input.possible.saturating_sub(header_bytes);
    if claimed > possible {
        return Err(if input.compressed {
            DatasetError::Oversized { path: path.to_owned(), claimed, possible }
        } else {
            truncated("data", possible, claimed)
        });
    }
    // One byte more than is due shows what trails, and makes gzip check its own checksum.
    let mut data = read_up_to(path, &mut input.reader, claimed.saturating_add(1))?;
    if (data.len() as u64) < claimed {
        return Err(truncated("data", data.len() as u64, claimed));
    }
    if data.len() as u64 > claimed {
        return Err(DatasetError::Trailing { path: path.to_owned(), end: header_bytes + claimed });
    }
    data.shrink_to_fit();
    Ok((sizes, data))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    /// An IDX file with these words as header.
    fn idx(words: &[u32], data: &[u8]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).chain(data.iter().copied()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn images(bytes: &[u8]) -> Result<([usize; 3], Vec<u8>), DatasetError> {
        let path = Path::new("f");
        let input = decompress(bytes, bytes.len() as u64)
            .map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
        read(path, input, IMAGES)
    }

    #[test]
    fn plain_and_gzip_files_of_several_members_read_the_same() {
        let plain = idx(&[0x803, 2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let members = [gzip(&plain[..9]), gzip(&plain[9..])].concat();
        for bytes in [plain.clone(), gzip(&plain), members] {
            assert_eq!(images(&bytes).unwrap(), ([2, 1, 3], vec![1, 2, 3, 4, 5, 6]));
        }
    }

    #[test]
    fn each_way_a_file_can_lie_has_its_message() {
        let good = idx(&[0x803, 2, 1, 3], &[0; 6]);
        let mut broken = gzip(&good);
        let checksum = broken.len() - 8;
        broken[checksum] ^= 1;
        let cases = [
            (idx(&[0x801, 6], &[0; 6]), "f: magic 0x00000801 at byte 0, expected 0x00000803 (images)"),
            (vec![], "f: 0 bytes of header, expected 16"),
            (good[..13].to_vec(), "f: 13 bytes of header, expected 16"),
            (good[..20].to_vec(), "f: 4 bytes of data, expected 6"),
            (gzip(&good[..20]), "f: 4 bytes of data, expected 6"),
            ([good.clone(), vec![0]].concat(), "f: bytes follow byte 22, expected the file to end there"),
            (gzip(&[good, vec![0; 9]].concat()), "f: bytes follow byte 22, expected the file to end there"),
            (idx(&[0x803, 0, 1, 3], &[]), "f: no values, expected at least one row and one column"),
            (idx(&[0x803, 60_000, 28, 28], &[0; 6]), "f: 6 bytes of data, expected 47040000"),
            (idx(&[0x803, u32::MAX, u32::MAX, u32::MAX], &[0; 6]), "f: 6 bytes of data, expected 18446744073709551615"),
            (broken, "f: corrupt gzip stream does not have a matching checksum"),
        ];
        for (bytes, message) in cases {
            assert_eq!(images(&bytes).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_claim_beyond_any_compression_is_refused_before_it_is_read() {
        let bytes = gzip(&idx(&[0x803, 60_000, 28, 28], &[0; 6]));
        let possible = bytes.len() as u64 * DEFLATE_RATIO - 16;
        let error = images(&bytes).unwrap_err();
        assert!(
            matches!(error, DatasetError::Oversized { claimed: 47_040_000, possible: p, .. } if p == possible),
            "{error}"
        );
    }

    #[test]
    fn the_best_compression_that_deflate_has_is_accepted() {
        let bytes = gzip(&idx(&[0x803, 60_000, 28, 28], &vec![0; 47_040_000]));
        assert_eq!(images(&bytes).unwrap().1.len(), 47_040_000);
    }

    #[test]
    fn folders_come_from_the_option_else_from_the_environment() {
        let none = |_: &str| None;
        assert_eq!(MNIST.folders(Some(Path::new("d")), none), [PathBuf::from("d/mnist"), "d".into()]);
        assert!(MNIST.folders(None, none).is_empty());
        let set = |name: &str| match name {
            "HSIC_DATA" => Some("h".into()),
            "HOME" => Some("home".into()),
            _ => None,
        };
        assert_eq!(
            FASHION_MNIST.folders(None, set),
            ["h/fashion-mnist", "h", "home/.local/share/hsic/fashion-mnist", "/usr/share/datasets/fashion-mnist"]
                .map(PathBuf::from)
        );
    }

    proptest! {
        #[test]
        fn mutated_and_cut_files_never_panic(
            compress in any::<bool>(),
            cut in 0usize..64,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let plain = idx(&[0x803, 3, 2, 2], &[7; 12]);
            let mut bytes = if compress { gzip(&plain) } else { plain };
            for (place, value) in changes {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(32)));
            if let Ok((sizes, data)) = images(&bytes) {
                prop_assert_eq!(sizes.iter().product::<usize>(), data.len());
            }
        }
    }
}
