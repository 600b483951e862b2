#![no_main]

hsic_fuzz::target!("png");
