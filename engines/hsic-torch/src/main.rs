//! The command `hsic-torch`.

fn main() -> std::process::ExitCode {
    hsic_torch::run(std::env::args_os())
}
