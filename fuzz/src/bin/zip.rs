#![no_main]

hsic_fuzz::target!("zip");
