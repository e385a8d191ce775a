//! URLs of Redis and PostgreSQL servers, as scenarios, flags and environment variables give them.
//!
//! The simulator and the reference server share this parser, so both accept and reject the same URLs. Whatever a URL
//! asks for and the program cannot do is an error: nothing is silently dropped.
//!
//! Passwords are kept for connecting and never shown: `Debug`, `Display`, JSON and error messages print `***` instead.

mod hiding;
mod parts;
mod postgres;
mod redis;

pub use hiding::{masked, redacted};
pub use parts::BadServerUrl;
pub use postgres::PostgresUrl;
pub use redis::RedisUrl;
