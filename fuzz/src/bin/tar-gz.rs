#![no_main]

hsic_fuzz::target!("tar-gz");
