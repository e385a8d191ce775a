//! Real servers: pairs that are replicated, lost, promoted and brought back, and what goes wrong.

#![expect(
    clippy::unwrap_used,
    reason = "test helpers fail a test by panicking, as the tests do"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "real servers answer in wall time, and some tests measure it"
)]

mod common;
mod failures;
mod postgres_pair;
mod redis_pair;
