//! The command `hsic-torch-mpi`.

fn main() -> std::process::ExitCode {
    hsic_torch::run_on_processes(std::env::args_os())
}
