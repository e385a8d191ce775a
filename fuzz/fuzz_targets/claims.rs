//! Fuzzes [`tiketi_fuzz::claims`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::claims(bytes));
