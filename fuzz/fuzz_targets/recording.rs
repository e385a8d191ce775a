//! Fuzzes [`tiketi_fuzz::recording`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::recording(bytes));
