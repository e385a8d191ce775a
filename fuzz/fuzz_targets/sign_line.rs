//! Fuzzes [`tiketi_fuzz::sign_line`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _is_answer = tiketi_fuzz::sign_line(bytes);
});
