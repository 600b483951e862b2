//! IDX files, plain or gzip, and the data sets in that format: `mnist`, `fashion-mnist`, `kmnist`.
//!
//! Format: a big-endian magic number (00 00, type 08 = unsigned byte, number of dimensions), a big-endian u32 for each
//! dimension, then the bytes. Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::content::GrowingContent;
use super::facts::{self, Download, Facts, Found, KnownFile};
use super::gzip::{Bytes, open, room};
use super::{Content, Dataset, DatasetError, DatasetSource, LoadOptions, Origin, Samples, Shape, Split, Targets};

/// Magic numbers: unsigned bytes in three dimensions and in one.
const IMAGES: (u32, &str) = (0x0000_0803, "images");
const LABELS: (u32, &str) = (0x0000_0801, "labels");

/// Bytes that are read at a time, or one sample if that has more.
const AT_ONCE: u64 = 1 << 20;

/// Sizes of the samples of all three data sets.
const SHAPE: Shape = Shape { channels: 1, height: 28, width: 28 };

/// A data set of ten classes in the usual four files: samples and labels of the training part, then of the test part.
pub(super) struct Idx {
    name: &'static str,
    description: &'static str,
    class_names: [&'static str; 10],
    facts: &'static Facts,
}

pub(super) static MNIST: Idx = Idx {
    name: "mnist",
    description: "handwritten digits, 60,000 + 10,000 gray images of 28 x 28, 10 classes (LeCun et al. 1998)",
    class_names: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    facts: &Facts {
        shape: SHAPE,
        classes: 10,
        rows: [60_000, 10_000],
        files: &[
            KnownFile {
                name: "train-images-idx3-ubyte",
                sha256: Some("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            },
            KnownFile {
                name: "train-labels-idx1-ubyte",
                sha256: Some("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            },
            KnownFile {
                name: "t10k-images-idx3-ubyte",
                sha256: Some("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            },
            KnownFile {
                name: "t10k-labels-idx1-ubyte",
                sha256: Some("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
            },
        ],
        downloads: &[
            Download {
                name: "train-images-idx3-ubyte.gz",
                bytes: 9_912_422,
                sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            },
            Download {
                name: "train-labels-idx1-ubyte.gz",
                bytes: 28_881,
                sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            },
            Download {
                name: "t10k-images-idx3-ubyte.gz",
                bytes: 1_648_877,
                sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            },
            Download {
                name: "t10k-labels-idx1-ubyte.gz",
                bytes: 4_542,
                sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            },
        ],
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
        inner: None,
        package: None,
    },
};

pub(super) static FASHION_MNIST: Idx = Idx {
    name: "fashion-mnist",
    description: "articles of clothing, 60,000 + 10,000 gray images of 28 x 28, 10 classes (Xiao et al. 2017)",
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
    facts: &Facts {
        shape: SHAPE,
        classes: 10,
        rows: [60_000, 10_000],
        files: &[
            KnownFile {
                name: "train-images-idx3-ubyte",
                sha256: Some("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            },
            KnownFile {
                name: "train-labels-idx1-ubyte",
                sha256: Some("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            },
            KnownFile {
                name: "t10k-images-idx3-ubyte",
                sha256: Some("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            },
            KnownFile {
                name: "t10k-labels-idx1-ubyte",
                sha256: Some("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
            },
        ],
        downloads: &[
            Download {
                name: "train-images-idx3-ubyte.gz",
                bytes: 26_421_880,
                sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            },
            Download {
                name: "train-labels-idx1-ubyte.gz",
                bytes: 29_515,
                sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            },
            Download {
                name: "t10k-images-idx3-ubyte.gz",
                bytes: 4_422_102,
                sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            },
            Download {
                name: "t10k-labels-idx1-ubyte.gz",
                bytes: 5_148,
                sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            },
        ],
        mirrors: &[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
        inner: None,
        package: Some("/usr/share/datasets/fashion-mnist"),
    },
};

pub(super) static KMNIST: Idx = Idx {
    name: "kmnist",
    description: "cursive Japanese characters, 60,000 + 10,000 gray images of 28 x 28, 10 classes (Clanuwat et al. 2018)",
    class_names: ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
    facts: &Facts {
        shape: SHAPE,
        classes: 10,
        rows: [60_000, 10_000],
        files: &[
            KnownFile { name: "train-images-idx3-ubyte", sha256: None },
            KnownFile { name: "train-labels-idx1-ubyte", sha256: None },
            KnownFile { name: "t10k-images-idx3-ubyte", sha256: None },
            KnownFile { name: "t10k-labels-idx1-ubyte", sha256: None },
        ],
        downloads: &[
            Download {
                name: "train-images-idx3-ubyte.gz",
                bytes: 18_165_135,
                sha256: "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            },
            Download {
                name: "train-labels-idx1-ubyte.gz",
                bytes: 29_497,
                sha256: "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            },
            Download {
                name: "t10k-images-idx3-ubyte.gz",
                bytes: 3_041_136,
                sha256: "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            },
            Download {
                name: "t10k-labels-idx1-ubyte.gz",
                bytes: 5_120,
                sha256: "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            },
        ],
        mirrors: &["https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
        inner: None,
        package: None,
    },
};

impl DatasetSource for Idx {
    fn name(&self) -> &'static str {
        self.name
    }

    fn description(&self) -> &'static str {
        self.description
    }

    fn facts(&self) -> &'static Facts {
        self.facts
    }

    fn load(&self, options: &LoadOptions) -> Result<Split, DatasetError> {
        let paths = self.files(options)?;
        let [train_images, train_labels, test_images, test_labels] = &paths[..] else {
            unreachable!("each has four files")
        };
        let (train, test) =
            rayon::join(|| self.part(train_images, train_labels), || self.part(test_images, test_labels));
        let ((mut train, train_contents), (mut test, test_contents)) = (train?, test?);
        if train.shape != test.shape {
            return Err(DatasetError::PartShape { name: self.name.into(), train: train.shape, test: test.shape });
        }
        train.keep_first("training", options.train_size)?;
        test.keep_first("test", options.test_size)?;
        let origin =
            Origin { content: Some(self.facts.content([train_contents, test_contents].concat())), ..Origin::default() };
        Ok(Split { train, test, standardization: None, origin })
    }

    fn content(&self, options: &LoadOptions) -> Result<Content, DatasetError> {
        let of = |path: &PathBuf| {
            let content = Content::of_reader(open(path)?.reader);
            content.map_err(|source| DatasetError::Io { path: path.clone(), source })
        };
        let contents = self.files(options)?.iter().map(of).collect::<Result<_, _>>()?;
        Ok(self.facts.content(contents))
    }
}

impl Idx {
    fn files(&self, options: &LoadOptions) -> Result<Vec<PathBuf>, DatasetError> {
        match facts::find(self.name, self.facts, options.data_dir.as_deref())? {
            Found::Files(paths) => Ok(paths),
            Found::Archive(_) => unreachable!("these data sets have no archive"),
        }
    }

    /// One part from its two files, and what these hold.
    fn part(&self, images: &Path, labels: &Path) -> Result<(Dataset, [Content; 2]), DatasetError> {
        let ([sample_count, height, width], pixels, of_images) = read(images, open(images)?, IMAGES)?;
        let ([label_count], classes, of_labels) = read(labels, open(labels)?, LABELS)?;
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
        let part = Dataset {
            name: self.name.into(),
            samples: Samples::Bytes(pixels),
            shape: Shape { channels: 1, height, width },
            targets: Targets::classes(
                classes.into_iter().map(u16::from).collect(),
                self.class_names.map(String::from).to_vec(),
            ),
            normalization: None,
        };
        Ok((part, [of_images, of_labels]))
    }
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

/// A form of IDX files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// The magic number, whose last byte counts dimensions.
    pub(super) magic: u32,
    /// What it stands for.
    pub(super) kind: &'static str,
    /// Bytes of an entry.
    pub(super) bytes: u8,
}

/// An IDX file.
pub(super) struct File {
    pub(super) magic: u32,
    /// Size of each dimension.
    pub(super) sizes: Vec<usize>,
    /// The entries, the byte that counts most first.
    pub(super) data: Vec<u8>,
    /// What all of it is.
    pub(super) content: Content,
}

/// An IDX file whose header was read.
pub(super) struct Opened<'i> {
    path: PathBuf,
    pub(super) magic: u32,
    /// Size of each dimension.
    pub(super) sizes: Vec<usize>,
    header_bytes: u64,
    /// Bytes of the entries.
    pub(super) claimed: u64,
    input: Bytes<'i>,
    content: GrowingContent,
}

impl Opened<'_> {
    /// Gives the entries to `each`, some whole samples at a time, and says what all of the file is.
    ///
    /// # Errors
    /// Those of `each`; whatever is wrong with the file.
    pub(super) fn samples(
        mut self,
        mut each: impl FnMut(&[u8]) -> Result<(), DatasetError>,
    ) -> Result<Content, DatasetError> {
        let sample = self.claimed / self.sizes[0] as u64;
        let at_once = (AT_ONCE / sample).max(1) * sample;
        let mut left = self.claimed;
        while left > 0 {
            let due = left.min(at_once);
            let bytes = read_up_to(&self.path, &mut self.input.reader, due)?;
            left -= bytes.len() as u64;
            self.content.add(&bytes);
            if (bytes.len() as u64) < due {
                let (what, found, expected) = ("data", self.claimed - left, self.claimed);
                return Err(DatasetError::Truncated { path: self.path, what, found, expected });
            }
            each(&bytes)?;
        }
        // One byte more than is due shows what trails, and makes gzip check its own checksum.
        if !read_up_to(&self.path, &mut self.input.reader, 1)?.is_empty() {
            let end = self.header_bytes + self.claimed;
            return Err(DatasetError::Trailing { path: self.path, end });
        }
        Ok(self.content.content())
    }
}

/// Sizes and bytes of an IDX file of `D` dimensions, and the content of all of it.
fn read<const D: usize>(
    path: &Path,
    input: Bytes<'_>,
    (magic, kind): (u32, &'static str),
) -> Result<([usize; D], Vec<u8>, Content), DatasetError> {
    let File { sizes, data, content, .. } = read_form(path, input, &[Form { magic, kind, bytes: 1 }])?;
    Ok((std::array::from_fn(|k| sizes[k]), data, content))
}

/// Reads an IDX file of one of several forms; a file of another is told to be none of the first.
pub(super) fn read_form(path: &Path, input: Bytes<'_>, forms: &[Form]) -> Result<File, DatasetError> {
    let opened = open_form(path, input, forms)?;
    let limit = if opened.input.compressed { room() } else { u64::MAX };
    if opened.claimed > limit {
        return Err(DatasetError::TooLarge { path: path.to_owned(), found: opened.claimed, limit });
    }
    let (magic, sizes) = (opened.magic, opened.sizes.clone());
    // The vector grows with what arrives: a header's claim never takes memory by itself.
    let mut data = Vec::new();
    let content = opened.samples(|bytes| {
        data.extend_from_slice(bytes);
        Ok(())
    })?;
    data.shrink_to_fit();
    Ok(File { magic, sizes, data, content })
}

/// Reads the header of an IDX file of one of several forms.
pub(super) fn open_form<'i>(path: &Path, mut input: Bytes<'i>, forms: &[Form]) -> Result<Opened<'i>, DatasetError> {
    let truncated = |what, found, expected| DatasetError::Truncated { path: path.to_owned(), what, found, expected };
    let header_bytes = |form: &Form| 4 * (u64::from(form.magic & 0xff) + 1);
    let usual = &forms[0];
    let mut header = read_up_to(path, &mut input.reader, 4)?;
    let Some(&magic) = header.as_chunks().0.first() else {
        return Err(truncated("header", header.len() as u64, header_bytes(usual)));
    };
    let magic = u32::from_be_bytes(magic);
    let Some(form) = forms.iter().find(|form| form.magic == magic) else {
        let (expected, kind) = (usual.magic, usual.kind);
        return Err(DatasetError::Magic { path: path.to_owned(), found: magic, expected, kind });
    };
    let header_bytes = header_bytes(form);
    header.extend(read_up_to(path, &mut input.reader, header_bytes - 4)?);
    if (header.len() as u64) < header_bytes {
        return Err(truncated("header", header.len() as u64, header_bytes));
    }
    let sizes: Vec<usize> = header.as_chunks().0[1..].iter().map(|&size| u32::from_be_bytes(size) as usize).collect();
    if sizes.contains(&0) {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    let claimed = sizes.iter().try_fold(u64::from(form.bytes), |product, &size| product.checked_mul(size as u64));
    let claimed = claimed.unwrap_or(u64::MAX);
    let possible = input.possible.saturating_sub(header_bytes);
    if claimed > possible {
        return Err(if input.compressed {
            DatasetError::Oversized { path: path.to_owned(), claimed, possible }
        } else {
            truncated("data", possible, claimed)
        });
    }
    let mut content = GrowingContent::default();
    content.add(&header);
    Ok(Opened { path: path.to_owned(), magic, sizes, header_bytes, claimed, input, content })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::gzip::{DEFLATE_RATIO, decompress};

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
        read(path, input, IMAGES).map(|(sizes, data, _)| (sizes, data))
    }

    #[test]
    fn what_a_file_is_does_not_hang_on_its_compression() {
        let plain = idx(&[0x803, 2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        for bytes in [plain.clone(), gzip(&plain)] {
            let input = decompress(&bytes[..], bytes.len() as u64).unwrap();
            assert_eq!(read::<3>(Path::new("f"), input, IMAGES).unwrap().2, Content::of(&plain));
        }
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
        ];
        for (bytes, message) in cases {
            assert_eq!(images(&bytes).unwrap_err().to_string(), message);
        }
        let error = images(&broken).unwrap_err();
        let reason = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(reason.as_deref(), Some("corrupt gzip stream does not have a matching checksum"));
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
        let folders = |source: &Idx, data_dir| facts::folders(source.name, source.facts, data_dir, none);
        assert_eq!(folders(&MNIST, Some(Path::new("d"))), [PathBuf::from("d/mnist"), "d".into()]);
        assert!(folders(&MNIST, None).is_empty());
        let set = |name: &str| match name {
            "HSIC_DATA" => Some("h".into()),
            "HOME" => Some("home".into()),
            _ => None,
        };
        assert_eq!(
            facts::folders("fashion-mnist", FASHION_MNIST.facts, None, set),
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
