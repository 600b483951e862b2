//! Compiles what libtorch has and `tch` does not bind, against the same libtorch.

use std::env;
use std::path::PathBuf;

/// Headers of libtorch: where `torch-sys` looks for them, too.
fn includes() -> Vec<PathBuf> {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    let root = env::var_os("LIBTORCH_INCLUDE").or_else(|| env::var_os("LIBTORCH")).map(PathBuf::from);
    let Some(root) = root else {
        // A word to the one who builds, in the place of a page of missing headers.
        println!("cargo:warning=LIBTORCH is not set: expected the folder `torch` of an unpacked wheel of PyTorch");
        return Vec::new();
    };
    vec![root.join("include"), root.join("include/torch/csrc/api/include")]
}

fn main() {
    println!("cargo:rerun-if-changed=cpp/beside.cpp");
    let mut build = cc::Build::new();
    build.cpp(true).pic(true).warnings(false).includes(includes()).flag("-std=c++20").file("cpp/beside.cpp");
    build.compile("beside");
    // `cc` names its library before libtorch, which it takes its symbols from.
    println!("cargo:rustc-link-lib=torch_cpu");
    println!("cargo:rustc-link-lib=c10");
}
