//! Real redis-server and PostgreSQL processes: started, replicated with a lag, killed and promoted.
//!
//! ```text
//! Host (programs, account, directory) ─▶ RedisPair, PostgresPair ─▶ Server ⇄ guard ─▶ redis-server, postgres
//!                                              └─▶ Link: relays replication from the primary to the replica, with a lag
//! ```
//!
//! A pair has one or two *sites*, each a loopback address with a server. Site 0 starts as the primary, and site 1, if there is
//! one, as its replica. All durations are real time.
//!
//! No server outlives the process that started it: a [`guard`] between them removes servers, shared memory and files when that
//! process ends, even if it is killed. If the guard is killed as well, the kernel ends the servers. Linux only: process trees are read from `/proc`.

mod account;
mod containment;
mod error;
pub mod guard;
mod host;
mod link;
mod message;
mod port;
mod postgres;
mod programs;
mod redis;
mod secret;
mod server;
mod shared_memory;
mod site;
mod tree;

pub use account::Account;
pub use error::{MissingProgram, StoresError};
pub use host::{Guard, Host};
pub use postgres::{PostgresKind, PostgresPair, PostgresSample, PostgresSettings};
pub use programs::Programs;
pub use redis::{Admission, Eviction, RedisPair, RedisSample, RedisSettings};

/// Reads the clock of this machine.
#[expect(clippy::disallowed_methods, reason = "real servers run in real time")]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
