//! Tests with real servers: replication, loss, promotion and return of pairs, and failures.

#![expect(clippy::unwrap_used, reason = "test helpers fail a test by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "real servers run in real time, and some tests measure it"
)]

mod common;
mod failures;
mod postgres_pair;
mod redis_pair;
