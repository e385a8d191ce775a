//! Fuzzes [`tiketi_fuzz::metrics_response`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _has_value = tiketi_fuzz::metrics_response(bytes);
});
