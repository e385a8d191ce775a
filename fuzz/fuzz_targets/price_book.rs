//! Fuzzes [`tiketi_fuzz::price_book`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::price_book(bytes));
