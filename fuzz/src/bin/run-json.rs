#![no_main]

hsic_fuzz::target!("run-json");
