#![no_main]

hsic_fuzz::target!("data-json");
