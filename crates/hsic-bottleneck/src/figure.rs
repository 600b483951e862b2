//! The figures of the paper and ours: what each trains, what it shows.

pub mod plot;
pub mod record;
pub mod run_page;
