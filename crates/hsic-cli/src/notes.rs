//! The command's words for what is to be said of data: what was chosen for their user, and what was left out.

use hsic_bottleneck::dataset::{ImageFit, Note, Sign};

use crate::printer;

/// Prints them to standard error, a line each.
pub(crate) fn print(notes: &[Note]) {
    for note in notes {
        if is_warning(note) {
            printer::warning(&told(note));
        } else {
            printer::told(&format!("note: {}", told(note)));
        }
    }
}

/// Whether samples are missing that a user may think are there, or may not show what they were made for.
fn is_warning(note: &Note) -> bool {
    match note {
        Note::Broken { .. } | Note::Loose { .. } | Note::OtherFolders { .. } | Note::OtherArrays { .. } => true,
        Note::Transparent { alone, .. } => *alone > 0,
        Note::ValidationPart { used, .. } => !used,
        _ => false,
    }
}

/// A count with the word for one or for several.
fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn images(count: usize) -> String {
    counted(count, "image", "images")
}

/// What it says, with the flag that changes it.
fn told(note: &Note) -> String {
    match note {
        Note::Resized { images: count, from: [least, most], to, fit, asked } => {
            let [least, most, to] = [least, most, to].map(|[height, width]| format!("{height} x {width}"));
            let from = if least == most { least } else { format!("{least} to {most}") };
            let how = match fit {
                ImageFit::Crop => "the shorter side scaled, the middle cut out",
                ImageFit::Pad => "the longer side scaled, black beside the shorter one",
                ImageFit::Stretch => "both sides scaled",
            };
            let flags =
                if *asked { "--image-fit crop|pad|stretch" } else { "--image-size N, --image-fit crop|pad|stretch" };
            format!("{} of {from} (height x width) brought to {to}: {how} ({flags})", images(*count))
        }
        Note::Mixed { gray, colored, channels } => {
            let (gray, colored) = (counted(*gray, "gray image", "gray images"), images(*colored));
            let all = if *channels == 1 { "gray" } else { "color" };
            format!("{gray} among {colored} in color: all are read as {all}")
        }
        Note::Transparent { images: count, alone, background } => {
            let ground = match background {
                0 => "black".to_owned(),
                255 => "white".to_owned(),
                level => format!("gray ({level})"),
            };
            let laid = format!("{} with transparent pixels laid over {ground}", images(*count));
            if *alone == 0 {
                return laid;
            }
            format!(
                "{laid}; in {alone} of them all that shows is one color, so that the shape lies in the transparency alone"
            )
        }
        Note::Stretched { range: [low, high] } => {
            format!("levels of 16 bits lie between {low} and {high} of 65535: that range became the whole scale")
        }
        Note::Broken { files, first } => {
            format!("{} left out that cannot be read; the first: {first}", counted(*files, "file", "files"))
        }
        Note::Strangers { endings, first } => {
            let named = |(ending, count): &(String, usize)| match ending.as_str() {
                "" => format!("{count} without an ending"),
                ending => format!("{count} .{ending}"),
            };
            let list = endings.iter().map(named).collect::<Vec<_>>().join(", ");
            let files = counted(endings.iter().map(|(_, count)| count).sum(), "file", "files");
            format!("{files} left out that no ending names as images ({list}); the first: {}", first.display())
        }
        Note::Loose { images: count, first } => {
            format!("{} left out beside the folders; the first: {}", images(*count), first.display())
        }
        Note::OtherFolders { folders, images: count } => {
            let list = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
            format!("{} left out in {list}, beside the folders of the parts", images(*count))
        }
        Note::OtherArrays { names } => {
            let arrays = if names.len() == 1 { "array" } else { "arrays" };
            format!("{arrays} {} left out (--arrays x=NAME,y=NAME chooses which are read)", names.join(", "))
        }
        Note::TaskTaken { sign: Sign::Fraction { value } } => format!(
            "targets are numbers with fractions, such as {value}: values are learned (regression; --task classification \
             takes whole numbers or words as classes)"
        ),
        Note::TaskTaken { sign: Sign::Many { distinct, rows } } => format!(
            "targets are {distinct} different whole numbers in {rows} rows: values are learned (regression; --task \
             classification learns them as classes)"
        ),
        Note::TaskTaken { sign: Sign::Few { distinct, rows } } => format!(
            "targets are {distinct} different whole numbers in {rows} rows: classes are learned (classification; --task \
             regression learns them as values)"
        ),
        Note::ValidationIsTest { folder } => {
            format!("{} is the test part, since there is no other", folder.display())
        }
        Note::ValidationPart { folder, images: count, used: false } => {
            let judged = "--validation 0.1 judges on it in place of the test part";
            format!("{} left out in {} ({judged})", images(*count), folder.display())
        }
        Note::ValidationPart { folder, images: count, used: true } => {
            format!("the {} in {} judge in place of the test part", images(*count), folder.display())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_note_says_what_and_how_many() {
        for (note, warning, text) in [
            (
                Note::Resized { images: 1, from: [[8, 8], [12, 10]], to: [8, 8], fit: ImageFit::Crop, asked: false },
                false,
                "1 image of 8 x 8 to 12 x 10 (height x width) brought to 8 x 8: the shorter side scaled, the middle cut \
                 out (--image-size N, --image-fit crop|pad|stretch)",
            ),
            (
                Note::Mixed { gray: 1, colored: 19, channels: 3 },
                false,
                "1 gray image among 19 images in color: all are read as color",
            ),
            (
                Note::Transparent { images: 30, alone: 30, background: 255 },
                true,
                "30 images with transparent pixels laid over white; in 30 of them all that shows is one color, so that the \
                 shape lies in the transparency alone",
            ),
            (
                Note::Transparent { images: 2, alone: 0, background: 0 },
                false,
                "2 images with transparent pixels laid over black",
            ),
            (
                Note::Stretched { range: [227, 379] },
                false,
                "levels of 16 bits lie between 227 and 379 of 65535: that range became the whole scale",
            ),
            (
                Note::Broken { files: 2, first: "a.png: not readable".into() },
                true,
                "2 files left out that cannot be read; the first: a.png: not readable",
            ),
            (
                Note::Strangers { endings: vec![("heic".into(), 9), (String::new(), 1)], first: "a.heic".into() },
                false,
                "10 files left out that no ending names as images (9 .heic, 1 without an ending); the first: a.heic",
            ),
            (
                Note::Loose { images: 3, first: "s/a.png".into() },
                true,
                "3 images left out beside the folders; the first: s/a.png",
            ),
            (
                Note::OtherFolders { folders: vec!["s/extra".into(), "s/more".into()], images: 4 },
                true,
                "4 images left out in s/extra, s/more, beside the folders of the parts",
            ),
            (
                Note::OtherArrays { names: vec!["x_val".into(), "y_val".into()] },
                true,
                "arrays x_val, y_val left out (--arrays x=NAME,y=NAME chooses which are read)",
            ),
            (
                Note::TaskTaken { sign: Sign::Fraction { value: 0.5 } },
                false,
                "targets are numbers with fractions, such as 0.5: values are learned (regression; --task classification \
                 takes whole numbers or words as classes)",
            ),
            (
                Note::TaskTaken { sign: Sign::Many { distinct: 94, rows: 300 } },
                false,
                "targets are 94 different whole numbers in 300 rows: values are learned (regression; --task \
                 classification learns them as classes)",
            ),
            (
                Note::TaskTaken { sign: Sign::Few { distinct: 12, rows: 300 } },
                false,
                "targets are 12 different whole numbers in 300 rows: classes are learned (classification; --task \
                 regression learns them as values)",
            ),
            (
                Note::ValidationIsTest { folder: "s/valid".into() },
                false,
                "s/valid is the test part, since there is no other",
            ),
            (
                Note::ValidationPart { folder: "s/val".into(), images: 10, used: false },
                true,
                "10 images left out in s/val (--validation 0.1 judges on it in place of the test part)",
            ),
            (
                Note::ValidationPart { folder: "s/val".into(), images: 10, used: true },
                false,
                "the 10 images in s/val judge in place of the test part",
            ),
        ] {
            assert_eq!((is_warning(&note), told(&note).as_str()), (warning, text));
        }
    }
}
