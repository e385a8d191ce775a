//! Fuzzes [`tiketi_fuzz::server_request`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::server_request(bytes));
