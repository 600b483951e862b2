#![cfg_attr(feature = "parquet", no_main)]

#[cfg(feature = "parquet")]
hsic_fuzz::target!("parquet");

#[cfg(not(feature = "parquet"))]
fn main() {
    panic!("expected a build with --features parquet");
}
