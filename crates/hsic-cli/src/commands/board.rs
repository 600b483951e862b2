//! `hsic board`.

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;

use super::running::{Signals, interrupted};
use super::runs::folders;
use crate::args::BoardArguments;
use crate::board::{Board, Places};
use crate::printer;

/// How often it is looked whether the board is to end.
const HEARD: Duration = Duration::from_millis(100);

pub(crate) fn run(arguments: BoardArguments) -> anyhow::Result<ExitCode> {
    let BoardArguments { folder, listen, port } = arguments;
    let shown = folders(folder.as_deref())?;
    for folder in &shown {
        std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    }
    let places = folder.map_or(Places::Usual(shown), Places::Named);
    let board = Board::bind(places, &listen, port).with_context(|| {
        format!("{listen} port {port}: expected an address of this machine and a port that is free, or --port 0")
    })?;
    let signals = Signals::listen(|| "start it again with: hsic board".to_owned())?;
    printer::line(&board.url())?;
    if board.is_open() {
        printer::warning(
            "whoever can reach this address sees the names, options and results of all runs in the folder",
        );
    }
    printer::told("Ctrl-C ends it");
    std::thread::spawn(move || board.serve());
    while !signals.stop().load(Ordering::Relaxed) {
        std::thread::sleep(HEARD);
    }
    Ok(interrupted())
}
