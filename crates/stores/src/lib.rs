//! redis-server and PostgreSQL as child processes: started, replicated with a lag, killed and promoted for real.
//!
//! ```text
//! Host (programs, account, directory) ─▶ RedisPair, PostgresPair ─▶ Server ⇄ guard ─▶ redis-server, postgres
//!                                              └─▶ Link: the replica's way to the primary, with a lag
//! ```
//!
//! A pair has one or two *sites*: loopback addresses that fail together. Site 0 starts as the primary, site 1, if there
//! is one, as its replica. All durations here are wall time.
//!
//! Everything ends with the process that started it: a [`guard`] stands between them, and removes servers, shared
//! memory and files when that process is gone, also when it was killed. Linux only: process trees are read from `/proc`.

mod account;
mod error;
pub mod guard;
mod host;
mod link;
mod port;
mod postgres;
mod programs;
mod redis;
mod secret;
mod server;
mod site;
mod tree;

pub use account::Account;
pub use error::{MissingProgram, StoresError};
pub use host::{Guard, Host};
pub use postgres::{PostgresKind, PostgresPair, PostgresSample, PostgresSettings};
pub use programs::Programs;
pub use redis::{Eviction, RedisPair, RedisSample, RedisSettings};

/// Reads the machine's clock: everything here happens in wall time.
#[expect(
    clippy::disallowed_methods,
    reason = "real servers answer in wall time; no simulated clock reaches them"
)]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
