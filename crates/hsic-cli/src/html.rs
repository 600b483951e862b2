//! Reports as pages: one file that needs nothing else, fetches nothing and runs no script. And what the live board shows, which
//! runs one.

pub(crate) mod board;
mod comparison;
mod overview;
mod parts;
mod pictures;
mod reproduction;
mod run;
mod samples;
mod several;
mod speedrun;
mod svg;
mod tables;
mod timeline;
mod times;

pub(crate) use comparison::page as comparison;
pub(crate) use parts::GENERATOR;
pub(crate) use reproduction::page as reproduction;
pub(crate) use run::page as run;
pub(crate) use several::page as several;
pub(crate) use speedrun::page as speedrun;
