//! Fuzzes [`tiketi_fuzz::archive`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::archive(bytes));
