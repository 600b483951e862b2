//! The command `hsic`.
fn main() {}
