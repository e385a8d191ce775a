//! Everything of the project that reads bytes from outside, one function per kind of input.
//!
//! Each function panics if the input breaks a promise: a file is either accepted, and then means the same when it is written
//! and read again, or rejected with reasons; nothing that a server or a client sends may panic or hang. The fuzz targets
//! in `fuzz_targets` call these functions with bytes that a fuzzer found interesting (`just fuzz`). The tests call them with
//! known inputs and with damaged copies of them, so that they run on every change.

mod files;
mod server;

pub use files::{
    archive, claims, mapping, openapi, plan_file, price_book, profile, recording, scenario,
};
pub use server::server_request;

/// Passes the bytes to a buyer's socket: one text frame per line.
pub fn socket_frames(bytes: &[u8]) {
    if let Ok(lines) = std::str::from_utf8(bytes) {
        tiketi_live::fuzzing::socket_frames(lines);
    }
}

/// Passes the bytes to a buyer as a line of the program that signs requests. Returns whether they are an answer.
pub fn sign_line(bytes: &[u8]) -> bool {
    tiketi_live::fuzzing::sign_line(bytes)
}

/// Reads the bytes as the response of a metrics server, and as that of AWS FIS. Returns whether they have a value.
pub fn metrics_response(bytes: &[u8]) -> bool {
    tiketi_live::fuzzing::metrics_response(bytes)
}

/// Passes the bytes to a buyer's HTTP connection, as a response. Returns whether they are one.
pub fn http_response(bytes: &[u8]) -> bool {
    tiketi_live::fuzzing::http_response(bytes)
}
