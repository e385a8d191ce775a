//! Fuzzes [`tiketi_fuzz::mapping`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::mapping(bytes));
