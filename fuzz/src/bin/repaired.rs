//! `repaired TARGET FILE...` writes each input as its target reads it: with the checksums of its format.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(target) = arguments.next() else { return ExitCode::FAILURE };
    for file in arguments {
        let written = std::fs::read(&file).and_then(|bytes| {
            let repaired = hsic_fuzz::repair::repaired(&target, &bytes);
            if *repaired == *bytes { Ok(()) } else { std::fs::write(&file, repaired) }
        });
        if let Err(error) = written {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
