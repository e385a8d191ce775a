//! Timelines of the control plane: the alarms and orders that AWS would give for given samples and losses.

mod capacity;
#[path = "../common/mod.rs"]
mod common;
mod detection;
mod drive;
mod failover;
mod invariants;
mod lifecycle;
mod policies;
mod refresh;
mod replacement;
mod schedule;
mod zones;
