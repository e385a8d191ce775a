//! What goes over the wires, counted for the bill.

use tiketi_cost::{LoadSample, TrafficSample};

/// Bytes of one message to a socket, an assumption.
const MESSAGE_BYTES: u64 = 180;
/// Bytes of a request to the payment provider, TLS included, an assumption.
const PROVIDER_BYTES_OUT: u64 = 2_500;
/// Bytes of its answer, an assumption.
const PROVIDER_BYTES_IN: u64 = 3_500;
/// Bytes of the commands of one call to Redis and their answers, an assumption.
const REDIS_BYTES: u64 = 300;
/// Bytes of a query with its protocol, an assumption.
const QUERY_BYTES: u64 = 400;
/// Bytes of the log of one small transaction, an assumption.
const COMMIT_BYTES: u64 = 1_500;
/// Writes of the storage for one small transaction: Aurora bills them in units of 4 KiB of log; an assumption.
const COMMIT_IO: u64 = 1;

/// Counts since the last reading, and the levels.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    load: LoadSample,
    paths: TrafficSample,
    sockets: u64,
}

impl Traffic {
    /// A request of a buyer reaches the load balancer.
    pub(super) const fn handle_request(&mut self, bytes: u64) {
        self.load.requests += 1;
        self.load.bytes_in += bytes;
    }

    /// An answer leaves it.
    pub(super) const fn handle_answer(&mut self, bytes: u64) {
        self.load.bytes_out += bytes;
    }

    /// Messages leave it.
    pub(super) const fn handle_messages(&mut self, receivers: u64) {
        self.load.bytes_out += receivers * MESSAGE_BYTES;
    }

    /// A socket is opened through it. Requests come over kept connections of the edge and open none.
    pub(super) const fn handle_socket_opened(&mut self) {
        self.load.new_connections += 1;
        self.sockets += 1;
    }

    /// A socket is gone.
    pub(super) const fn handle_socket_closed(&mut self) {
        self.sockets -= 1;
    }

    /// An instance asks the payment provider, through the NAT gateway of its zone or, as a detour, of another.
    pub(super) const fn handle_payment(&mut self, is_detour: bool) {
        self.paths.nat_bytes += PROVIDER_BYTES_OUT + PROVIDER_BYTES_IN;
        self.paths.nat_bytes_out += PROVIDER_BYTES_OUT;
        if is_detour {
            self.paths.detour_bytes += PROVIDER_BYTES_OUT + PROVIDER_BYTES_IN;
        }
    }

    /// Bytes go between a load-balancer node and an instance in another zone.
    pub(super) const fn handle_crossing(&mut self, bytes: u64) {
        self.paths.load_balancer_cross_zone_bytes += bytes;
    }

    /// An instance asks a Redis in another zone.
    pub(super) const fn handle_far_redis(&mut self) {
        self.paths.redis_cross_zone_bytes += REDIS_BYTES;
    }

    /// An instance asks a database in another zone; `bytes` is what comes back.
    pub(super) const fn handle_far_database(&mut self, bytes: u64) {
        self.paths.database_cross_zone_bytes += QUERY_BYTES + bytes;
    }

    /// The database writes a transaction to its storage, and to its replica if it has one in another zone.
    pub(super) const fn handle_commit(&mut self, is_replicated: bool) {
        self.paths.database_io += COMMIT_IO;
        if is_replicated {
            self.paths.replication_bytes += COMMIT_BYTES;
        }
    }

    /// What went over each path since the last reading.
    pub(super) fn take_paths(&mut self) -> TrafficSample {
        std::mem::take(&mut self.paths)
    }

    /// What the load balancer has done since the last reading; `calls` are on their way.
    pub(super) fn take_load(&mut self, calls: usize) -> LoadSample {
        let active_connections = self.sockets + calls as u64;
        LoadSample {
            active_connections,
            ..std::mem::take(&mut self.load)
        }
    }
}
