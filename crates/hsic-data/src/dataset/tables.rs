//! Tables of text and of arrays, column by column.

pub(crate) mod cells;
pub(crate) mod fit;
pub(crate) mod header;
pub(crate) mod look;
pub(crate) mod matching;
pub(crate) mod number;
pub(crate) mod outline;
pub(crate) mod raw;
pub(crate) mod select;
mod stored_text;
pub(crate) mod text;
pub(crate) mod values;
