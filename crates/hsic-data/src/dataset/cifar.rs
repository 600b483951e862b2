//! `cifar10` and `cifar100`: the binary version of their authors, unpacked or still in the archive.
//!
//! Format: records of one label (`cifar100`: a coarse one, which is not used, then the fine one), then 3072 bytes, the
//! red, green and blue pixels of an image, row by row. Source: Krizhevsky, "Learning Multiple Layers of Features from
//! Tiny Images" (2009), and the description beside the files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use super::facts::{self, Download, Facts, Found, KnownFile};
use super::{Content, Dataset, DatasetError, DatasetSource, LoadOptions, Origin, Samples, Shape, Split, Targets};

const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };

/// Bytes of an image.
const PIXELS: usize = 3 * 32 * 32;

/// The longest file of class names that is read.
const NAMES_BYTES: u64 = 1 << 16;

/// Folders of the authors; the second is where the first now leads.
const MIRRORS: &[&str] = &["https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"];

/// A data set in this format; the last of its files is the test part.
pub(super) struct Cifar {
    name: &'static str,
    description: &'static str,
    /// Bytes before the pixels; the last is the label.
    label_bytes: usize,
    /// Records of a file of the training part, and of the test part.
    records: [u64; 2],
    /// The file beside the data that names the classes.
    names: &'static str,
    facts: &'static Facts,
}

pub(super) static CIFAR10: Cifar = Cifar {
    name: "cifar10",
    description: "photographs, 50,000 + 10,000 color images of 32 x 32, 10 classes (Krizhevsky 2009)",
    label_bytes: 1,
    records: [10_000, 10_000],
    names: "batches.meta.txt",
    facts: &Facts {
        shape: SHAPE,
        classes: 10,
        rows: [50_000, 10_000],
        files: &[
            KnownFile {
                name: "data_batch_1.bin",
                sha256: Some("cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
            },
            KnownFile {
                name: "data_batch_2.bin",
                sha256: Some("a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
            },
            KnownFile {
                name: "data_batch_3.bin",
                sha256: Some("bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
            },
            KnownFile {
                name: "data_batch_4.bin",
                sha256: Some("014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
            },
            KnownFile {
                name: "data_batch_5.bin",
                sha256: Some("755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
            },
            KnownFile {
                name: "test_batch.bin",
                sha256: Some("8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
            },
        ],
        downloads: &[Download {
            name: "cifar-10-binary.tar.gz",
            bytes: 170_052_171,
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        }],
        mirrors: MIRRORS,
        inner: Some("cifar-10-batches-bin"),
        package: None,
    },
};

pub(super) static CIFAR100: Cifar = Cifar {
    name: "cifar100",
    description: "photographs, 50,000 + 10,000 color images of 32 x 32, 100 classes (Krizhevsky 2009)",
    label_bytes: 2,
    records: [50_000, 10_000],
    names: "fine_label_names.txt",
    facts: &Facts {
        shape: SHAPE,
        classes: 100,
        rows: [50_000, 10_000],
        files: &[
            KnownFile {
                name: "train.bin",
                sha256: Some("f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"),
            },
            KnownFile {
                name: "test.bin",
                sha256: Some("d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"),
            },
        ],
        downloads: &[Download {
            name: "cifar-100-binary.tar.gz",
            bytes: 168_513_733,
            sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        }],
        mirrors: MIRRORS,
        inner: Some("cifar-100-binary"),
        package: None,
    },
};

impl DatasetSource for Cifar {
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
        let Parts { train, test, names, contents } = self.parts(options)?;
        let names = names.unwrap_or_else(|| (0..self.facts.classes).map(|class| class.to_string()).collect());
        let part = |(labels, pixels)| Dataset {
            name: self.name.into(),
            samples: Samples::Bytes(pixels),
            shape: SHAPE,
            targets: Targets::classes(labels, names.clone()),
            normalization: None,
        };
        let (mut train, mut test) = (part(train), part(test));
        train.keep_first("training", options.train_size)?;
        test.keep_first("test", options.test_size)?;
        let origin = Origin { content: Some(Content::of_list(contents)), ..Origin::default() };
        Ok(Split { train, test, standardization: None, origin })
    }

    fn content(&self, options: &LoadOptions) -> Result<Content, DatasetError> {
        Ok(Content::of_list(self.parts(options)?.contents))
    }
}

/// Labels and pixels of both parts.
#[derive(Default)]
pub(super) struct Parts {
    train: (Vec<u16>, Vec<u8>),
    test: (Vec<u16>, Vec<u8>),
    names: Option<Vec<String>>,
    /// Name and content of each file.
    contents: Vec<(Vec<u8>, Content)>,
}

impl Cifar {
    /// Reads all files, wherever they are.
    fn parts(&self, options: &LoadOptions) -> Result<Parts, DatasetError> {
        let paths = match facts::find(self.name, self.facts, options.data_dir.as_deref())? {
            Found::Files(paths) => paths,
            Found::Archive(path) => {
                let file = File::open(&path).map_err(|source| DatasetError::Io { path: path.clone(), source })?;
                return self.read_archive(&path, file);
            }
        };
        let mut parts = Parts::default();
        for (index, path) in paths.iter().enumerate() {
            let io = |source| DatasetError::Io { path: path.clone(), source };
            let file = File::open(path).map_err(io)?;
            let length = file.metadata().map_err(io)?.len();
            self.read(path, index, file, length, &mut parts)?;
        }
        let names = paths[0].with_file_name(self.names);
        if names.is_file() {
            let file = File::open(&names).map_err(|source| DatasetError::Io { path: names.clone(), source })?;
            self.read_names(&names, file, &mut parts)?;
        }
        Ok(parts)
    }

    /// Takes the records of file `index`, which claims `length` bytes.
    fn read(
        &self,
        path: &Path,
        index: usize,
        reader: impl Read,
        length: u64,
        parts: &mut Parts,
    ) -> Result<(), DatasetError> {
        let tested = index + 1 == self.facts.files.len();
        let most = self.records[usize::from(tested)];
        let record = self.label_bytes + PIXELS;
        let wrong = |found| DatasetError::Records { path: path.to_owned(), found, record: record as u64, most };
        if length == 0 || !length.is_multiple_of(record as u64) || length > most * record as u64 {
            return Err(wrong(length));
        }
        // The vector grows with what arrives: a claim never takes memory by itself.
        let mut bytes = Vec::new();
        let read = reader.take(length).read_to_end(&mut bytes);
        read.map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
        if (bytes.len() as u64) < length {
            return Err(wrong(bytes.len() as u64));
        }
        parts.contents.push((self.facts.files[index].name.as_bytes().to_vec(), Content::of(&bytes)));
        let (labels, pixels) = if tested { &mut parts.test } else { &mut parts.train };
        for (index, record) in bytes.chunks_exact(record).enumerate() {
            let (label, image) = record.split_at(self.label_bytes);
            let (label, classes) = (label[self.label_bytes - 1], self.facts.classes);
            if usize::from(label) >= classes {
                return Err(DatasetError::LabelRange { path: path.to_owned(), index, label, classes });
            }
            labels.push(label.into());
            pixels.extend_from_slice(image);
        }
        Ok(())
    }

    /// Takes the names of the classes.
    fn read_names(&self, path: &Path, reader: impl Read, parts: &mut Parts) -> Result<(), DatasetError> {
        let mut text = String::new();
        let read = reader.take(NAMES_BYTES).read_to_string(&mut text);
        read.map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
        let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into).collect();
        if names.len() != self.facts.classes {
            let (found, expected) = (names.len(), self.facts.classes);
            return Err(DatasetError::NameCount { path: path.to_owned(), found, expected });
        }
        parts.contents.push((self.names.as_bytes().to_vec(), Content::of(text.as_bytes())));
        parts.names = Some(names);
        Ok(())
    }

    /// Reads the files from the archive, without unpacking it; their order in it does not matter.
    pub(super) fn read_archive(&self, path: &Path, file: impl Read) -> Result<Parts, DatasetError> {
        let io = |source| DatasetError::Io { path: path.to_owned(), source };
        let mut archive = tar::Archive::new(GzDecoder::new(file));
        let files = self.facts.files;
        let mut read: Vec<Option<Parts>> = files.iter().map(|_| None).collect();
        let mut all = Parts::default();
        for entry in archive.entries().map_err(io)? {
            let entry = entry.map_err(io)?;
            let (member, length) = (entry.path().map_err(io)?.into_owned(), entry.size());
            let Some(name) = member.file_name() else { continue };
            let place = path.join(&member);
            let twice = || DatasetError::Entry {
                path: path.to_owned(),
                entry: member.clone(),
                reason: "a name that comes twice",
            };
            if name == self.names {
                if all.names.is_some() {
                    return Err(twice());
                }
                self.read_names(&place, entry, &mut all)?;
            } else if let Some(index) = files.iter().position(|file| name == file.name) {
                if read[index].is_some() {
                    return Err(twice());
                }
                let mut parts = Parts::default();
                self.read(&place, index, entry, length, &mut parts)?;
                read[index] = Some(parts);
            }
        }
        for (parts, file) in read.into_iter().zip(files) {
            let missing = || DatasetError::Member { path: path.to_owned(), file: file.name };
            let parts = parts.ok_or_else(missing)?;
            for (all, part) in [(&mut all.train, parts.train), (&mut all.test, parts.test)] {
                all.0.extend(part.0);
                all.1.extend(part.1);
            }
            all.contents.extend(parts.contents);
        }
        Ok(all)
    }
}
