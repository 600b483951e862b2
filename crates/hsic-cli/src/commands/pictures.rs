//! The figures of a page as files: `hsic report --figures`.

use std::path::Path;

use anyhow::{Context, ensure};
use hsic_bottleneck::disk;
use hsic_bottleneck::files::write_atomically;
use hsic_lab::draw;
use hsic_lab::figure::plot::Plot;

use crate::args::PageWidth;
use crate::printer;

/// A figure: the name of its files, its title, what it shows.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) plot: Plot,
}

impl Figure {
    /// A figure whose files are named by its title: lower letters, digits and hyphens.
    pub(crate) fn titled(title: String, plot: Plot) -> Self {
        let letters = title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        let letters: String = letters.collect();
        let words: Vec<&str> = letters.split('-').filter(|word| !word.is_empty()).collect();
        Self { name: words.join("-"), title, plot }
    }
}

/// Whether figures can be drawn at a width: as PDF, which only some programs write.
pub(crate) fn check(width: Option<PageWidth>) -> anyhow::Result<()> {
    ensure!(
        width.is_none() || cfg!(feature = "png"),
        "--width: PDF is not built in, expected a program built by: {}",
        printer::install_with("png")
    );
    Ok(())
}

/// Writes each figure as SVG, its points as CSV and, in a program with the feature `png`, a PDF of that width; files of these names
/// are replaced.
pub(crate) fn write(folder: &Path, figures: &[Figure], width: Option<PageWidth>) -> anyhow::Result<()> {
    disk::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for Figure { name, title, plot } in figures {
        let PageWidth(points) = width.unwrap_or_default();
        let svg = match width {
            Some(_) => draw::at_width(plot, title, points),
            None => draw::svg(plot, title),
        };
        write_atomically(&folder.join(format!("{name}.svg")), svg.as_bytes())?;
        write_atomically(&folder.join(format!("{name}.csv")), plot.csv().as_bytes())?;
        #[cfg(feature = "png")]
        write_atomically(&folder.join(format!("{name}.pdf")), &draw::pdf(plot, points)?)?;
    }
    Ok(())
}

/// Writes a figure in every form that there is, and texts beside it by their names, into a folder that is made where it is missing.
/// Figures of earlier forms are removed.
pub(crate) fn with_page(folder: &Path, svg: &str, texts: &[(&str, &str)]) -> anyhow::Result<()> {
    disk::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let drawn = draw::files(svg)?;
    draw::clear(folder, svg).with_context(|| folder.display().to_string())?;
    let texts = texts.iter().map(|&(name, text)| (name, text.as_bytes()));
    for (name, bytes) in texts.chain(drawn.iter().map(|(name, bytes)| (*name, &bytes[..]))) {
        write_atomically(&folder.join(name), bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_the_title_of_their_figure() {
        let name = |title: &str| Figure::titled(title.to_owned(), Plot::default()).name;
        assert_eq!(name("Accuracy by block, sigma 5"), "accuracy-by-block-sigma-5");
        assert_eq!(name("R2"), "r2");
    }
}
