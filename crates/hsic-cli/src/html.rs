//! Reports as pages: one file that needs nothing else, fetches nothing and runs no script.

mod comparison;
mod parts;
mod reproduction;
mod run;
mod svg;
mod timeline;

pub(crate) use comparison::page as comparison;
pub(crate) use parts::GENERATOR;
pub(crate) use reproduction::page as reproduction;
pub(crate) use run::page as run;
