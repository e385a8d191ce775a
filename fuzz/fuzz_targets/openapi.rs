//! Fuzzes [`tiketi_fuzz::openapi`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::openapi(bytes));
