//! The load balancer: one node a zone, each a set of child processes that share its address.
//!
//! ```text
//! supervisor ──settings, commands (JSON lines, stdin)──▶ process ▶ node ─┬─ accept loop ─▶ proxy ─▶ backend (a pool a target)
//!            ◀──answers (JSON lines, stdout)────────────                 ├─ checks (first process of a node)      └▶ relay (WebSockets)
//!                                                                        └─ load once a second
//! ```

mod backend;
pub mod balancer;
mod checks;
pub mod message;
mod meter;
pub mod node;
pub mod process;
mod proxy;
mod relay;

#[cfg(test)]
mod tests;
