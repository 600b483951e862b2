//! Folders of images as their owners have them: of many sizes, depths and channels, under many names.

use std::fs;
use std::path::{Path, PathBuf};

use hsic_bottleneck::dataset::{
    Dataset, DatasetError, ImageFit, ImagePlan, LoadOptions, Note, Reading, Samples, Shape, Split, image_files, load,
    read_sample,
};
use png::{BitDepth, ColorType};
use serde::Deserialize;
use tempfile::TempDir;

use crate::encode;

/// A folder of images.
struct Set(TempDir);

impl Set {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A gray image of one shade.
    fn gray(&self, name: &str, height: u32, width: u32, shade: u8) {
        self.write(name, &encode::png(width, height, &vec![shade; (height * width) as usize]));
    }

    fn load(&self, options: &LoadOptions) -> Result<Split, DatasetError> {
        let mut split = load(self.0.path().to_str().unwrap(), options)?;
        // Images are few and alike here, in both parts.
        split.origin.notes.retain(|note| !matches!(note, Note::Shared { .. } | Note::NoRows { .. }));
        Ok(split)
    }

    /// Training and test rows, and what is said, the folder's name taken out.
    fn counted(&self) -> (usize, usize, Vec<String>) {
        let split = self.load(&LoadOptions::default()).unwrap();
        let notes = split.origin.notes.iter().map(|note| self.anywhere(&format!("{note:?}"))).collect();
        (split.train.rows(), split.test.rows(), notes)
    }

    fn fails(&self, options: &LoadOptions) -> String {
        self.anywhere(&self.load(options).unwrap_err().to_string())
    }

    fn anywhere(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "DIR")
    }
}

fn row(dataset: &Dataset, index: usize) -> Vec<u8> {
    let Samples::Bytes(bytes) = &dataset.samples else { panic!("pixels expected") };
    bytes[index * dataset.columns()..][..dataset.columns()].to_vec()
}

fn shape(channels: usize, height: usize, width: usize) -> Shape {
    Shape { channels, height, width }
}

fn sized(size: Option<usize>, fit: ImageFit) -> LoadOptions {
    LoadOptions { images: ImagePlan::Found { size, fit }, ..LoadOptions::default() }
}

fn deep(height: u32, width: u32, levels: &[u16]) -> Vec<u8> {
    let data: Vec<u8> = levels.iter().flat_map(|level| level.to_be_bytes()).collect();
    encode::png_of(width, height, ColorType::Grayscale, BitDepth::Sixteen, &data)
}

#[test]
fn resized_pictures_are_those_of_pillow() {
    #[derive(Deserialize)]
    struct Case {
        from: [usize; 2],
        to: [usize; 2],
        values: String,
    }
    #[derive(Deserialize)]
    struct Resized {
        cases: Vec<Case>,
    }
    let set = Set::new();
    let reading = Reading { fit: ImageFit::Stretch, background: 255, range: None };
    let Resized { cases } = serde_json::from_str(include_str!("../reference/resized.json")).unwrap();
    assert_eq!(cases.len(), 8);
    for Case { from: [height, width], to: [rows, columns], values } in cases {
        let data: Vec<u8> = (0..height * width)
            .map(|i| (i % width, i / width))
            .map(|(x, y)| (37 * x + 53 * y + 11 * x * y) as u8)
            .collect();
        set.write("a.png", &encode::png(width as u32, height as u32, &data));
        let found = read_sample(&set.path("a.png"), shape(1, rows, columns), &reading).unwrap();
        let expected: Vec<u8> =
            (0..values.len()).step_by(2).map(|i| u8::from_str_radix(&values[i..i + 2], 16).unwrap()).collect();
        assert_eq!(found.len(), expected.len());
        // Pillow rounds between its two passes, and its weights.
        let apart = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart <= Some(1), "{height} x {width} to {rows} x {columns}: {found:?} {expected:?}");
    }
}

#[test]
fn images_of_several_sizes_become_samples_of_one_and_it_is_said() {
    let set = Set::new();
    for (index, (height, width)) in [(8, 8), (8, 8), (8, 8), (12, 8), (30, 20)].into_iter().enumerate() {
        set.gray(&format!("train/cat/{index}.png"), height, width, 40);
        set.gray(&format!("train/dog/{index}.png"), height, width, 200);
    }
    set.gray("test/cat/1.png", 100, 64, 40);
    let split = set.load(&LoadOptions::default()).unwrap();
    assert_eq!((split.train.shape, split.train.rows(), split.test.rows()), (shape(1, 8, 8), 10, 1));
    for index in 0..10 {
        let shade = [40, 200][usize::from(split.train.labels()[index])];
        assert_eq!(row(&split.train, index), [shade; 64]);
    }
    assert_eq!(row(&split.test, 0), [40; 64]);
    let note = Note::Resized { images: 5, from: [[8, 8], [100, 64]], to: [8, 8], fit: ImageFit::Crop, asked: false };
    assert_eq!(split.origin.notes, [note]);
    assert_eq!(split.origin.reading, Some(Reading { fit: ImageFit::Crop, background: 255, range: None }));

    // The middle of a wide image, or all of it between black.
    let wide: Vec<u8> = [[10u8; 4], [20; 4], [30; 4], [40; 4]].concat();
    let columns: Vec<u8> = (0..16).map(|i| wide[(i % 4) * 4]).collect::<Vec<_>>();
    set.write("train/cat/0.png", &encode::png(4, 4, &columns));
    let first = |fit, size| {
        let split = set.load(&sized(Some(size), fit)).unwrap();
        assert_eq!((split.train.shape.height, split.train.shape.width), (size, size));
        row(&split.train, 0)
    };
    assert_eq!(first(ImageFit::Crop, 4), columns);
    set.write("train/cat/0.png", &encode::png(4, 2, &columns[..8]));
    assert_eq!(first(ImageFit::Crop, 2), [20, 30, 20, 30]);
    let padded = first(ImageFit::Pad, 4);
    assert_eq!((&padded[..4], &padded[4..12], &padded[12..]), (&[0; 4][..], &columns[..8], &[0; 4][..]));
    assert_eq!(first(ImageFit::Stretch, 4)[..4], columns[..4]);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| set.load(&LoadOptions::default()).unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn gray_images_among_colored_ones_are_read_as_colored() {
    let set = Set::new();
    set.gray("train/cat/0.png", 1, 2, 7);
    set.write("train/cat/1.png", &encode::png(2, 1, &[1, 2, 3, 4, 5, 6]));
    set.gray("train/dog/0.png", 1, 2, 8);
    set.gray("test/dog/0.png", 1, 2, 9);
    let split = set.load(&LoadOptions::default()).unwrap();
    assert_eq!(split.train.shape, shape(3, 1, 2));
    assert_eq!((row(&split.train, 0), row(&split.train, 2)), (vec![7; 6], vec![1, 4, 2, 5, 3, 6]));
    assert_eq!(row(&split.test, 0), [9; 6]);
    assert_eq!(split.origin.notes, [Note::Mixed { gray: 3, colored: 1, channels: 3 }]);
    // A colored image of a test part whose training part is gray is read as gray: 0.299 red.
    fs::remove_file(set.path("train/cat/1.png")).unwrap();
    set.write("test/cat/0.png", &encode::png(2, 1, &[100, 0, 0, 100, 0, 0]));
    let split = set.load(&LoadOptions::default()).unwrap();
    assert_eq!((split.test.shape, row(&split.test, 0)), (shape(1, 1, 2), vec![30; 2]));
    assert_eq!(split.origin.notes, [Note::Mixed { gray: 3, colored: 1, channels: 1 }]);
}

#[test]
fn what_is_transparent_lies_over_a_background_that_stands_out() {
    let set = Set::new();
    let sign = |level: u8, opacity: [u8; 2]| {
        let data = opacity.map(|opacity| [level, level, level, opacity]).concat();
        encode::png_of(2, 1, ColorType::Rgba, BitDepth::Eight, &data)
    };
    for (level, background, expected) in [(0, 255, [0, 255]), (250, 0, [250, 0])] {
        set.write("train/up/0.png", &sign(level, [255, 0]));
        set.write("train/down/0.png", &sign(level, [0, 255]));
        set.write("test/up/0.png", &sign(level, [255, 0]));
        let split = set.load(&LoadOptions::default()).unwrap();
        // down, up
        assert_eq!(row(&split.train, 1), [expected, expected, expected].concat());
        assert_eq!(row(&split.train, 0), [[expected[1], expected[0]]; 3].concat());
        assert_eq!(split.origin.notes, [Note::Transparent { images: 3, alone: 3, background }]);
    }
    // Opaque ones are what they were.
    let opaque = encode::png_of(2, 1, ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 255, 4, 5, 6, 255]);
    for name in ["train/up/0.png", "train/down/0.png", "test/up/0.png"] {
        set.write(name, &opaque);
    }
    let split = set.load(&LoadOptions::default()).unwrap();
    assert_eq!((row(&split.train, 0), split.origin.notes.len()), (vec![1, 4, 2, 5, 3, 6], 0));
    // A run of an earlier version dropped transparency, and reads new images so.
    set.write("train/up/0.png", &sign(9, [255, 0]));
    let images = ImagePlan::Recorded { shape: shape(3, 1, 2), reading: None };
    let split = set.load(&LoadOptions { images, ..LoadOptions::default() }).unwrap();
    assert_eq!((row(&split.train, 1), split.origin.notes.len()), (vec![9; 6], 0));
    let images = ImagePlan::Recorded { shape: shape(3, 2, 2), reading: None };
    let error = set.fails(&LoadOptions { images, ..LoadOptions::default() });
    let told = "an image of 3 x 1 x 2 (channels x height x width), expected 3 x 2 x 2 as in training";
    assert_eq!(error, format!("DIR/train/down/0.png: {told}"));
}

#[test]
fn levels_of_sixteen_bits_are_stretched_by_the_training_part() {
    let set = Set::new();
    set.write("train/cell/0.png", &deep(1, 3, &[240, 340, 290]));
    set.write("train/none/0.png", &deep(1, 3, &[250, 260, 270]));
    set.write("test/cell/0.png", &deep(1, 3, &[200, 400, 280]));
    let split = set.load(&LoadOptions::default()).unwrap();
    // (v - 240) / 100 of 255; beyond the range lie its ends.
    assert_eq!(row(&split.train, 0), [0, 255, 128]);
    assert_eq!(row(&split.train, 1), [26, 51, 77]);
    assert_eq!(row(&split.test, 0), [0, 255, 102]);
    assert_eq!(split.origin.notes, [Note::Stretched { range: [240, 340] }]);
    // Where the scale is used, nothing is stretched: 40,000 / 257 is 155.6.
    set.write("train/none/0.png", &deep(1, 3, &[0, 40_000, 65_535]));
    let split = set.load(&LoadOptions::default()).unwrap();
    assert_eq!((row(&split.train, 1), split.origin.notes.len()), (vec![0, 156, 255], 0));
}

#[test]
fn rows_that_are_held_out_choose_nothing() {
    let set = Set::new();
    for index in 0..8u16 {
        set.write(&format!("train/a/{index}.png"), &deep(1, 1, &[1000 + index]));
        set.write(&format!("train/b/{index}.png"), &deep(1, 1, &[2000 + index]));
    }
    set.write("test/a/0.png", &deep(1, 1, &[5]));
    let options = LoadOptions { validation: 0.25, ..LoadOptions::default() };
    let ends = |split: &Split| split.origin.reading.as_ref().unwrap().range.unwrap();
    assert_eq!(ends(&set.load(&LoadOptions::default()).unwrap()), [1000, 2007]);
    let seen: Vec<[u16; 2]> =
        (0..6).map(|split_seed| ends(&set.load(&LoadOptions { split_seed, ..options.clone() }).unwrap())).collect();
    // Of eight images of a class two are held out, the first or the last of all with probability 1/4 each.
    assert!(seen.iter().any(|&range| range != [1000, 2007]), "{seen:?}");
    let split = set.load(&options).unwrap();
    assert_eq!((split.train.class_counts(), split.test.class_counts()), (vec![6, 6], vec![2, 2]));
}

#[test]
fn files_that_cannot_be_read_are_left_out_if_asked_for() {
    let set = Set::new();
    for index in 0..4 {
        set.gray(&format!("train/cat/{index}.png"), 2, 2, index);
        set.gray(&format!("train/dog/{index}.png"), 2, 2, index);
        set.gray(&format!("test/dog/{index}.png"), 2, 2, index);
    }
    let whole = fs::read(set.path("train/dog/2.png")).unwrap();
    set.write("train/dog/2.png", &whole[..whole.len() / 2]);
    set.write("test/dog/0.png", b"");
    let unread = "not readable, expected a PNG, JPEG, BMP, GIF, TIFF or WebP image";
    assert_eq!(set.fails(&LoadOptions::default()), format!("DIR/train/dog/2.png: {unread}"));
    let options = LoadOptions { skip_broken: true, ..LoadOptions::default() };
    let split = set.load(&options).unwrap();
    assert_eq!((split.train.class_counts(), split.test.rows()), (vec![4, 3], 3));
    let [Note::Broken { files: 2, first }] = &split.origin.notes[..] else { panic!("{:?}", split.origin.notes) };
    let first = set.anywhere(first);
    assert!(first.starts_with(&format!("DIR/train/dog/2.png: {unread}: PNG: ")), "{first}");
    // A size is counted among those that can be read.
    assert_eq!(set.load(&LoadOptions { train_size: Some(7), ..options.clone() }).unwrap().train.rows(), 7);
    (0..4).for_each(|index| set.write(&format!("train/dog/{index}.png"), b"none"));
    assert!(set.fails(&options).starts_with("DIR/train/dog: no image, expected"));
}

#[test]
fn parts_have_many_names() {
    for (folders, rows, said) in [
        (&["train", "test"][..], (4, 2), None),
        (&["training", "testing"], (4, 2), None),
        (&["Train", "TEST"], (4, 2), None),
        (&["train", "valid"], (4, 2), Some("ValidationIsTest { folder: \"DIR/valid\" }")),
        (&["Training", "Validation"], (4, 2), Some("ValidationIsTest { folder: \"DIR/Validation\" }")),
        (&["train", "test", "val"], (4, 2), Some("ValidationPart { folder: \"DIR/val\", images: 6, used: false }")),
        (&["train", "test", "extra"], (4, 2), Some("OtherFolders { folders: [\"DIR/extra\"], images: 6 }")),
    ] {
        let set = Set::new();
        for (folder, rows) in folders.iter().zip([2, 1, 3]) {
            for index in 0..rows {
                set.gray(&format!("{folder}/cat/{index}.png"), 1, 1, index);
                set.gray(&format!("{folder}/dog/{index}.png"), 1, 1, index);
            }
        }
        let (train, test, notes) = set.counted();
        assert_eq!((train, test), rows, "{folders:?}");
        assert_eq!(notes.iter().map(String::as_str).collect::<Vec<_>>(), Vec::from_iter(said), "{folders:?}");
        if folders.len() == 3 && folders[2] == "val" {
            let split = set.load(&LoadOptions { validation: 0.5, ..LoadOptions::default() }).unwrap();
            assert_eq!((split.train.rows(), split.test.rows(), split.origin.validation), (4, 6, None));
            let used = Note::ValidationPart { folder: set.path("val"), images: 6, used: true };
            assert_eq!(split.origin.notes, [used]);
        }
    }
    for (folders, found) in
        [(&["valid", "test"][..], "test, valid"), (&["train", "testing", "test"], "test, testing, train")]
    {
        let set = Set::new();
        folders.iter().for_each(|folder| set.gray(&format!("{folder}/cat/0.png"), 1, 1, 1));
        let rest = "expected one called train or training, at most one called test or testing, and at most one called \
                    val, valid or validation";
        assert_eq!(set.fails(&LoadOptions::default()), format!("DIR: the folders {found}, {rest}"));
    }
    // A class of vehicles, no part.
    let set = Set::new();
    for class in ["bus", "car", "train"] {
        (0..5).for_each(|index| set.gray(&format!("{class}/{index}.png"), 1, 1, index));
    }
    assert_eq!(set.load(&LoadOptions::default()).unwrap().train.class_names(), ["bus", "car", "train"]);
}

#[test]
fn images_lie_in_folders_below_their_class_and_what_is_none_is_counted() {
    let set = Set::new();
    for (name, shade) in
        [("cat/2.png", 2), ("cat/a/1.png", 3), ("cat/a/deep/0.png", 4), ("cat/1.png", 1), ("dog/b/0.png", 5)]
    {
        set.gray(&format!("data/train/{name}"), 1, 1, shade);
    }
    set.gray("data/test/dog/b/0.png", 1, 1, 6);
    // Hidden, or of systems.
    for name in ["cat/.hidden.png", "cat/@eaDir/0.png", "cat/Thumbs.db", "dog/b/._0.png"] {
        set.gray(&format!("data/train/{name}"), 1, 1, 9);
    }
    set.write("__MACOSX/data/train/cat/._2.png", b"fork");
    set.write("data/train/cat/a/3.heic", b"");
    set.write("data/train/dog/0.HEIC", b"");
    set.write("data/train/dog/list.txt", b"");
    set.gray("data/train/loose.png", 1, 1, 9);
    let split = set.load(&LoadOptions::default()).unwrap();
    assert_eq!(split.train.labels(), [0, 1, 0, 0, 0]);
    assert_eq!((0..5).map(|index| row(&split.train, index)[0]).collect::<Vec<_>>(), [1, 5, 2, 3, 4]);
    assert_eq!(row(&split.test, 0), [6]);
    let loose = Note::Loose { images: 1, first: set.path("data/train/loose.png") };
    let endings = vec![("heic".to_owned(), 2), ("txt".to_owned(), 1)];
    let strangers = Note::Strangers { endings, first: set.path("data/train/cat/a/3.heic") };
    assert_eq!(split.origin.notes, [loose, strangers]);
    let names = image_files(&set.path("data/train/cat")).unwrap();
    let expected = ["1.png", "2.png", "a/1.png", "a/deep/0.png"].map(|name| set.path("data/train/cat").join(name));
    assert_eq!(names, expected);
    assert!(matches!(image_files(&set.path("__MACOSX")), Err(DatasetError::NoImages { .. })));
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_a_circle_of_them_is_refused() {
    use std::os::unix::fs::symlink;

    let set = Set::new();
    set.gray("cat/0.png", 1, 1, 1);
    set.gray("elsewhere/2.png", 1, 1, 2);
    symlink(Path::new("0.png"), set.path("cat/1.png")).unwrap();
    symlink(set.path("elsewhere"), set.path("cat/more")).unwrap();
    let expected = ["0.png", "1.png", "more/2.png"].map(|name| set.path("cat").join(name));
    assert_eq!(image_files(&set.path("cat")).unwrap(), expected);
    // Two of them: followed until the system refuses, there would be 2^40 ways.
    symlink(set.path("cat"), set.path("cat/again")).unwrap();
    symlink(set.path("cat"), set.path("cat/too")).unwrap();
    let error = image_files(&set.path("cat")).unwrap_err();
    let own = fs::canonicalize(set.path("cat")).unwrap();
    assert!(
        matches!(&error, DatasetError::Circle { path, to } if *path == set.path("cat/again") && *to == own),
        "{error}"
    );
    let set = Set::new();
    for name in ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"] {
        set.gray(name, 1, 1, 9);
    }
    // Nothing is read of a hidden folder; that its files are looked at for a packed file must end, too.
    set.gray(".hidden/0.png", 1, 1, 9);
    for name in ["again", "too"] {
        symlink(set.path(".hidden"), set.path(".hidden").join(name)).unwrap();
    }
    let kept = tempfile::tempdir().unwrap();
    let options = LoadOptions { cache: Some(kept.path().to_owned()), test_fraction: 0.5, ..LoadOptions::default() };
    assert_eq!(set.load(&options).unwrap().train.rows(), 2);
}
