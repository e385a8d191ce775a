//! The load balancer: one node per zone, each a set of child processes that share its address.
//!
//! ```text
//! supervisor ──settings, commands (JSON lines, stdin)──▶ process ▶ node ─┬─ accept loop ─▶ proxy ─▶ backend (a pool per target)
//!            ◀──answers (JSON lines, stdout)────────────                 ├─ checks (first process of a node)      └▶ relay (WebSockets)
//!                                                                        └─ load, once per second
//! ```

mod backend;
pub mod balancer;
mod checks;
mod connector;
pub mod message;
mod meter;
pub mod node;
mod paths;
pub mod process;
mod proxy;
mod relay;

pub(crate) use backend::{absolute, authority_of};
pub(crate) use connector::Connector;
pub(crate) use proxy::is_timeout;

#[cfg(test)]
mod tests;
