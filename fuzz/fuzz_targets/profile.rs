//! Fuzzes [`tiketi_fuzz::profile`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::profile(bytes));
