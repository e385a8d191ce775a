//! The connection pool of one instance (B6).

use std::collections::VecDeque;
use std::time::Duration;

use tiketi_core::units::SimTime;

/// Places for connections, some of them with an idle one.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    /// Places of transactions that run, wait for a row, or connect.
    pub(super) in_use: u32,
    /// Connections that are open and wait for work.
    pub(super) idle: u32,
    /// Jobs without a place, and when each gives up.
    pub(super) waiting: VecDeque<(SimTime, u32)>,
    pub(super) figures: PoolFigures,
    /// Core time of a query of this instance.
    pub(super) query: Duration,
}

/// What the pool of one instance counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// Times a transaction found all connections busy.
    pub waits: u64,
    /// Times a transaction got no connection in time.
    pub timeouts: u64,
    /// Connections opened, including those reopened after a failover.
    pub opened: u64,
    /// Connections in use or being opened now.
    pub in_use: u32,
}

impl Pool {
    /// Takes an idle connection; whether there was one.
    pub(super) const fn take_idle(&mut self) -> bool {
        let has_idle = self.idle > 0;
        self.idle -= has_idle as u32;
        has_idle
    }
}
