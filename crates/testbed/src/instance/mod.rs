//! An instance as a child process: the reference server with a real data tier.
//!
//! ```text
//! supervisor ──settings, then `listen` at the end of the boot──▶ process ▶ tiketi_server::Instance (a thread)
//!            ◀──listening, load, load, …────────────────────────
//! ```

pub mod message;
mod process;

pub use process::{InstanceRole, main};
