//! Network traffic, counted for the bill.

use tiketi_cost::{LoadSample, TrafficSample};

/// Bytes of one message to a socket, an assumption.
const MESSAGE_BYTES: u64 = 180;
/// Bytes of the Redis commands of one request and their replies, an assumption.
const REDIS_BYTES: u64 = 300;
/// Bytes of a query with protocol overhead, an assumption.
const QUERY_BYTES: u64 = 400;
/// Bytes of the write-ahead log of one small transaction, an assumption.
const COMMIT_BYTES: u64 = 1_500;
/// Storage writes of one small transaction: Aurora bills them in units of 4 KiB of log; an assumption.
const COMMIT_IO: u64 = 1;

/// Counters since the last reading, and current levels.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    load: LoadSample,
    paths: TrafficSample,
    sockets: u64,
}

impl Traffic {
    /// Counts a buyer's request that reaches the load balancer.
    pub(super) const fn handle_request(&mut self, bytes: u64) {
        self.load.requests += 1;
        self.load.bytes_in += bytes;
    }

    /// Counts a response of the load balancer.
    pub(super) const fn handle_answer(&mut self, bytes: u64) {
        self.load.bytes_out += bytes;
    }

    /// Counts messages to sockets.
    pub(super) const fn handle_messages(&mut self, receivers: u64) {
        self.load.bytes_out += receivers * MESSAGE_BYTES;
    }

    /// Counts an opened socket. Requests use the edge's keep-alive connections, so they open none.
    pub(super) const fn handle_socket_opened(&mut self) {
        self.load.new_connections += 1;
        self.sockets += 1;
    }

    /// Counts a closed socket.
    pub(super) const fn handle_socket_closed(&mut self) {
        self.sockets -= 1;
    }

    /// Counts bytes between a load-balancer node and an instance in another zone.
    pub(super) const fn handle_crossing(&mut self, bytes: u64) {
        self.paths.load_balancer_cross_zone_bytes += bytes;
    }

    /// Counts a request of an instance to Redis in another zone.
    pub(super) const fn handle_far_redis(&mut self) {
        self.paths.redis_cross_zone_bytes += REDIS_BYTES;
    }

    /// Counts a query of an instance to the database in another zone; `bytes` is the size of the result.
    pub(super) const fn handle_far_database(&mut self, bytes: u64) {
        self.paths.database_cross_zone_bytes += QUERY_BYTES + bytes;
    }

    /// Counts a transaction that the database writes to its storage, and to its replica if it has one in another zone.
    pub(super) const fn handle_commit(&mut self, is_replicated: bool) {
        self.paths.database_io += COMMIT_IO;
        if is_replicated {
            self.paths.replication_bytes += COMMIT_BYTES;
        }
    }

    /// Returns what went over each path since the last call; `out` is what left the VPC.
    pub(super) fn take_paths(&mut self, out: &TrafficSample) -> TrafficSample {
        TrafficSample {
            nat_bytes: out.nat_bytes,
            internet_bytes_out: out.internet_bytes_out,
            s3_bytes: out.s3_bytes,
            s3_nat_bytes: out.s3_nat_bytes,
            s3_puts: out.s3_puts,
            detour_bytes: out.detour_bytes,
            ..std::mem::take(&mut self.paths)
        }
    }

    /// Returns what the load balancer has done since the last call; `calls` are in progress.
    pub(super) fn take_load(&mut self, calls: usize) -> LoadSample {
        let active_connections = self.sockets + calls as u64;
        LoadSample {
            active_connections,
            ..std::mem::take(&mut self.load)
        }
    }
}
