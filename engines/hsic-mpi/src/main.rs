//! The command `hsic-mpi`.

fn main() -> std::process::ExitCode {
    hsic_mpi::run(std::env::args_os())
}
