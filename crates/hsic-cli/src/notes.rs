//! The command's words for what is to be said of data: what was chosen for their user, and what was left out.

use std::path::Path;

use hsic::error::Amount;
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::{ImageFit, Note, Sign};
use hsic_bottleneck::network::PYRAMID;

use crate::printer;

/// Prints them to standard error, a line each.
pub(crate) fn print(notes: &[Note]) {
    notes.iter().for_each(|note| line(note, &told(note)));
}

/// Prints those of a file.
pub(crate) fn print_of(file: &Path, notes: &[Note]) {
    notes.iter().for_each(|note| line(note, &format!("{}: {}", file.display(), told(note))));
}

fn line(note: &Note, text: &str) {
    if is_warning(note) {
        printer::warning(text);
    } else {
        printer::told(&format!("note: {text}"));
    }
}

/// Whether samples are missing that a user may think are there, or may not show what they were made for.
fn is_warning(note: &Note) -> bool {
    match note {
        Note::Broken { .. } | Note::Loose { .. } | Note::OtherFolders { .. } | Note::OtherArrays { .. } => true,
        Note::LikelierLabel { .. } | Note::LabelsMissing { .. } | Note::RowsMissing { .. } => true,
        Note::GapsElsewhere { .. } | Note::UnknownWords { .. } | Note::MatchedByPlace { .. } => true,
        Note::CountsRows { .. } | Note::AllDifferent { .. } | Note::ConstantColumns { .. } => true,
        Note::TellsLabel { .. } => true,
        Note::Transparent { alone, .. } => *alone > 0,
        Note::ValidationPart { used, .. } => !used,
        Note::NoRows { .. } | Note::Shared { .. } => true,
        _ => false,
    }
}

/// A count with the word for one or for several.
fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// The first of them, and how many more there are.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn images(count: usize) -> String {
    counted(count, "image", "images")
}

/// Most columns that a line names.
const MOST_COLUMNS: usize = 8;

/// Names, the first of them if there are many.
fn listed<V>(columns: &[V], told: impl Fn(&V) -> String) -> String {
    let shown = columns.iter().take(MOST_COLUMNS).map(told).collect::<Vec<_>>().join(", ");
    match columns.len().checked_sub(MOST_COLUMNS) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

fn columns(names: &[String]) -> String {
    format!("column{} {}", if names.len() == 1 { "" } else { "s" }, listed(names, String::clone))
}

/// Columns with a number each.
fn counts(columns: &[(String, usize)]) -> String {
    listed(columns, |(name, count)| format!("{name} ({count})"))
}

/// How many cells of columns are missing.
fn gaps(columns: &[(String, usize)]) -> String {
    counted(columns.iter().map(|(_, count)| count).sum(), "missing cell", "missing cells")
}

/// Names as a flag takes them; a column without a name is known by its index.
fn flagged(names: &[String]) -> String {
    let own: Vec<&str> = names.iter().map(|name| name.strip_prefix("column ").unwrap_or(name)).collect();
    let text = own.join(",");
    if text.contains(' ') { format!("\"{text}\"") } else { text }
}

/// The name of a column, which may be called by its index alone.
fn bare(name: &str) -> &str {
    name.strip_prefix("column ").unwrap_or(name)
}

/// Why samples are not read into memory.
fn not_in_memory(bytes: u64, free: Option<u64>) -> String {
    let bytes = Amount(bytes);
    match free {
        Some(free) => format!("{bytes} of samples are more than half of the {} of memory that are free", Amount(free)),
        None => format!("{bytes} of samples are not kept in memory, as --cache asks"),
    }
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
        Note::Packed { file, bytes, free, made } => {
            let how = if *made { "they were packed into" } else { "they are read from" };
            let (why, file) = (not_in_memory(*bytes, *free), file.display());
            format!("{why}: {how} {file} (hsic data uncache deletes it)")
        }
        Note::Lying { file, bytes, free } => {
            format!("{}: they are read from {}, where they lie", not_in_memory(*bytes, *free), file.display())
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
        Note::NoRows { part, classes } => {
            let (which, have) = if classes.len() == 1 { ("class", "has") } else { ("classes", "have") };
            let meaning = match &**part {
                "training" => {
                    "what it is like cannot be learned: leave it out of the file, or put rows of it into that part"
                }
                "validation" => "the accuracy says nothing of it (a larger --validation holds more rows out)",
                _ => "the accuracy says nothing of it (a larger --test-fraction gives that part more rows)",
            };
            format!("{which} {} {have} no rows in the {part} part, so that {meaning}", list(classes))
        }
        Note::Constant { columns } => {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let (which, hold) = if columns.len() == 1 { ("column", "holds") } else { ("columns", "hold") };
            let without = "(from 0, without the label)";
            format!(
                "{which} {} {without} {hold} one value in the training part: nothing is learned from it",
                list(&columns)
            )
        }
        Note::Shared { part, rows, of } => {
            format!(
                "{rows} of {of} rows of the {part} part are in the training part too, so that the accuracy is partly that of \
                 remembering: expected each row once in the file"
            )
        }
        Note::NumbersAreNames { names } => {
            let shown = listed(names, String::clone);
            format!(
                "the first line, {shown}, is read as names, since it is not like the lines below (--header no reads a row)"
            )
        }
        Note::LikelierLabel { taken, likelier } => {
            format!(
                "the last column, {taken}, is taken for the label; {likelier} is called as one (--label-column {likelier})"
            )
        }
        Note::LabelsMissing { rows } => format!("{} without a label left out", counted(*rows, "row", "rows")),
        Note::RowsMissing { rows, columns } => {
            let rows = counted(*rows, "row", "rows");
            format!("{rows} left out in which a cell is missing in {}", listed(columns, String::clone))
        }
        Note::WordColumns { columns } => {
            format!(
                "words become a column each: {}",
                listed(columns, |(name, count)| format!("{name} ({count} words)"))
            )
        }
        Note::GapsFilled { columns } => format!(
            "{} of the training part filled by the column's mean, with a column beside that says where: {} (--missing \
             mean|drop|refuse)",
            gaps(columns),
            counts(columns)
        ),
        Note::EmptyColumns { columns: names } => {
            format!("{} left out, with nothing in the training part", columns(names))
        }
        Note::GapsElsewhere { columns } => {
            format!("{} filled as in training in columns that had none there: {}", gaps(columns), counts(columns))
        }
        Note::UnknownWords { columns } => {
            let told =
                |(name, count, example): &(String, usize, String)| format!("{name} ({count} cells, as {example:?})");
            format!("words that the training part does not have, read as none of its words: {}", listed(columns, told))
        }
        Note::OtherColumns { names } => format!("{} ignored, which the training did not have", columns(names)),
        Note::MatchedByPlace { file: false } => {
            "the file has no names of columns: its columns are taken in the order of the training's".to_owned()
        }
        Note::MatchedByPlace { file: true } => {
            "the training file had no names of columns: the columns are taken in its order".to_owned()
        }
        Note::CountsRows { column } => {
            format!(
                "column {} counts the rows (--drop {} leaves it out)",
                bare(column),
                flagged(std::slice::from_ref(column))
            )
        }
        Note::AllDifferent { column } => {
            let flag = flagged(std::slice::from_ref(column));
            format!(
                "column {} differs in every row, as a name of the row does (--drop {flag} leaves it out)",
                bare(column)
            )
        }
        Note::ConstantColumns { columns: names } => format!("{}: the same in every row", columns(names)),
        Note::TellsLabel { columns: names, label } => {
            let flag = flagged(names);
            format!("{}: they tell the label, {label}, without fail (--drop {flag} leaves them out)", columns(names))
        }
    }
}

/// Says which network was chosen for images of a user's own, and how it learns.
pub(crate) fn of_the_network(config: &TrainConfig) {
    if let Some(told) = told_of_the_network(config) {
        printer::told(&told);
    }
}

fn told_of_the_network(config: &TrainConfig) -> Option<String> {
    (config.model == PYRAMID).then(|| {
        format!(
            "note: convolutions, since these are images: --model {PYRAMID} --feature {} --shift {} --epochs {} \
             --batch-size {} (--model mlp for dense blocks; --flip true where left and right mean nothing)",
            config.feature, config.augmentation.shift, config.epochs, config.batch_size
        )
    })
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
            (
                Note::NoRows { part: "test".into(), classes: vec!["oak".into()] },
                true,
                "class oak has no rows in the test part, so that the accuracy says nothing of it (a larger --test-fraction \
                 gives that part more rows)",
            ),
            (
                Note::NoRows { part: "validation".into(), classes: (0..10).map(|class| format!("c{class}")).collect() },
                true,
                "classes c0, c1, c2, c3, c4, c5, c6, c7 and 2 more have no rows in the validation part, so that the accuracy \
                 says nothing of it (a larger --validation holds more rows out)",
            ),
            (
                Note::Constant { columns: vec![0, 32] },
                false,
                "columns 0, 32 (from 0, without the label) hold one value in the training part: nothing is learned from it",
            ),
            (
                Note::Shared { part: "test".into(), rows: 10, of: 30 },
                true,
                "10 of 30 rows of the test part are in the training part too, so that the accuracy is partly that of \
                 remembering: expected each row once in the file",
            ),
            (
                Note::NumbersAreNames { names: vec!["0".into(), "1".into()] },
                false,
                "the first line, 0, 1, is read as names, since it is not like the lines below (--header no reads a row)",
            ),
            (
                Note::LikelierLabel { taken: "z".into(), likelier: "class".into() },
                true,
                "the last column, z, is taken for the label; class is called as one (--label-column class)",
            ),
            (Note::LabelsMissing { rows: 2 }, true, "2 rows without a label left out"),
            (
                Note::RowsMissing { rows: 1, columns: vec!["a".into(), "b".into()] },
                true,
                "1 row left out in which a cell is missing in a, b",
            ),
            (
                Note::WordColumns { columns: vec![("port".into(), 3)] },
                false,
                "words become a column each: port (3 words)",
            ),
            (
                Note::GapsFilled { columns: vec![("a".into(), 2), ("b".into(), 1)] },
                false,
                "3 missing cells of the training part filled by the column's mean, with a column beside that says where: \
                 a (2), b (1) (--missing mean|drop|refuse)",
            ),
            (
                Note::EmptyColumns { columns: vec!["void".into()] },
                false,
                "column void left out, with nothing in the training part",
            ),
            (
                Note::GapsElsewhere { columns: vec![("a".into(), 1)] },
                true,
                "1 missing cell filled as in training in columns that had none there: a (1)",
            ),
            (
                Note::UnknownWords { columns: vec![("port".into(), 4, "west".into())] },
                true,
                "words that the training part does not have, read as none of its words: port (4 cells, as \"west\")",
            ),
            (
                Note::OtherColumns { names: (0..10).map(|column| format!("c{column}")).collect() },
                false,
                "columns c0, c1, c2, c3, c4, c5, c6, c7 and 2 more ignored, which the training did not have",
            ),
            (Note::CountsRows { column: "column 0".into() }, true, "column 0 counts the rows (--drop 0 leaves it out)"),
            (
                Note::AllDifferent { column: "full name".into() },
                true,
                "column full name differs in every row, as a name of the row does (--drop \"full name\" leaves it out)",
            ),
            (Note::ConstantColumns { columns: vec!["unit".into()] }, true, "column unit: the same in every row"),
            (
                Note::TellsLabel { columns: vec!["is_a".into(), "is_b".into()], label: "is_c".into() },
                true,
                "columns is_a, is_b: they tell the label, is_c, without fail (--drop is_a,is_b leaves them out)",
            ),
        ] {
            assert_eq!((is_warning(&note), told(&note).as_str()), (warning, text));
        }
    }
}
