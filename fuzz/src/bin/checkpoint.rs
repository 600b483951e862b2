#![no_main]

hsic_fuzz::target!("checkpoint");
