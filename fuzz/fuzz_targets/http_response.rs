//! Fuzzes [`tiketi_fuzz::http_response`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _is_response = tiketi_fuzz::http_response(bytes);
});
