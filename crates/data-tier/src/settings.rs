//! What a driver has to say before a machine can start.

use std::time::Duration;

/// Settings of a [`Redis`](crate::Redis).
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// How far the replica is behind its primary: age of the youngest writes that a failover loses.
    pub lost_window: Duration,
    /// Time that one command takes of the one thread.
    pub command: Duration,
    /// Time after which a client gives up on a command without an answer.
    pub timeout: Duration,
    /// Bytes beyond which keys are evicted or writes refused (`maxmemory`).
    pub memory_max: u64,
    /// Bytes that others use and that cannot be evicted, such as buffers of connections.
    pub memory_other: u64,
    /// What happens to a write when the memory is full.
    pub eviction: Eviction,
    /// Active users of one show beyond whom people wait.
    pub active_max: u32,
    /// Time without a request after which an active user loses the place.
    pub idle_timeout: Duration,
    /// Time between two admissions from the waiting room.
    pub admit_every: Duration,
    /// Life of a session after its last change (B8).
    pub session_ttl: Duration,
    /// Whether requests are counted per user (B8).
    pub counts_requests: bool,
    /// Whether the waiting room can say who has which place, and how fast it admits: 4 more bytes per join.
    pub tells_places: bool,
    /// Seed of the draws that eviction makes.
    pub seed: u64,
}

/// What Redis does with a write when its memory is full (`maxmemory-policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Drops the least recently used of a few keys that it looks at.
    AllKeysLru,
    /// The same, but only among the keys that expire.
    VolatileLru,
    /// Refuses the write.
    NoEviction,
}

/// Settings of a [`Database`](crate::Database).
#[derive(Clone, Copy, Debug)]
pub struct DatabaseSettings {
    /// Connections in the pool of one instance (B6).
    pub pool_max: u32,
    /// Wait for a connection after which a transaction fails (B6).
    pub connect_timeout: Duration,
    /// How long a connection lasts after its server has fallen silent: TCP keep-alive.
    pub keep_alive: Duration,
    /// Connections the server admits in all (`max_connections`).
    pub connections_max: u32,
    /// Cores that queries share.
    pub cores: u32,
    /// Core time of a query.
    pub query: Duration,
    /// Time from the end of a query that writes until its commit is durable.
    pub commit: Duration,
}

/// Settings of a [`SeatMap`](crate::SeatMap).
#[derive(Clone, Debug)]
pub struct SeatSettings {
    /// Seats of each section, in the order of the seat list.
    pub sections: Vec<u32>,
    /// Standing tickets of each area.
    pub areas: Vec<u32>,
}
