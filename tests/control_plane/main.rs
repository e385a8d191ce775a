//! Timelines of the control plane: given samples and losses, the alarms and orders that AWS would give.

#[path = "../common/mod.rs"]
mod common;
mod drive;
mod failover;
mod invariants;
mod lifecycle;
mod policies;
mod schedule;
mod zones;
