//! The command `hsic`.

fn main() -> std::process::ExitCode {
    hsic_cli::run(std::env::args_os())
}
