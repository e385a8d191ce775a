//! Fuzzes [`tiketi_fuzz::scenario`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::scenario(bytes));
