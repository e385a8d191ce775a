//! Fuzzes [`tiketi_fuzz::socket_frames`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tiketi_fuzz::socket_frames(bytes));
