//! What edge locations count.

use serde::{Deserialize, Serialize};

/// Requests for static files at the edge, by result, and requests of the edge to S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeFigures {
    /// Requests for static files: the sum of the next five.
    pub requests: u64,
    /// Answered from the cache.
    pub hits: u64,
    /// Answered from the cache although the time to live was over, because the origin failed.
    pub stale: u64,
    /// Not in the cache, or older than the time to live: each led to a request to the origin.
    pub misses: u64,
    /// Waited for the response to an earlier miss of the same file.
    pub collapsed: u64,
    /// Answered with an error at once, because the origin had failed a moment before.
    pub refused: u64,
    /// Misses and collapsed requests that ended with an error, because the origin failed.
    pub failed: u64,
    /// Bytes of the files that were sent to buyers.
    pub bytes: u64,
    /// Requests to the origin.
    pub origin_requests: u64,
    /// Those of them that the origin answered with *not modified*.
    pub origin_unchanged: u64,
    /// Bytes of the files that the origin sent.
    pub origin_bytes: u64,
}

impl EdgeFigures {
    /// Adds what another location counted.
    pub const fn add(&mut self, other: &Self) {
        let Self {
            requests,
            hits,
            stale,
            misses,
            collapsed,
            refused,
            failed,
            bytes,
            origin_requests,
            origin_unchanged,
            origin_bytes,
        } = *other;
        // Destructured above, so that a new field cannot be forgotten here.
        self.requests += requests;
        self.hits += hits;
        self.stale += stale;
        self.misses += misses;
        self.collapsed += collapsed;
        self.refused += refused;
        self.failed += failed;
        self.bytes += bytes;
        self.origin_requests += origin_requests;
        self.origin_unchanged += origin_unchanged;
        self.origin_bytes += origin_bytes;
    }

    /// Returns what was counted since `before`.
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            hits: self.hits - before.hits,
            stale: self.stale - before.stale,
            misses: self.misses - before.misses,
            collapsed: self.collapsed - before.collapsed,
            refused: self.refused - before.refused,
            failed: self.failed - before.failed,
            bytes: self.bytes - before.bytes,
            origin_requests: self.origin_requests - before.origin_requests,
            origin_unchanged: self.origin_unchanged - before.origin_unchanged,
            origin_bytes: self.origin_bytes - before.origin_bytes,
        }
    }

    /// Returns the share of requests that were answered from the cache at once; `None` without requests.
    pub fn hit_ratio(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let ratio = (self.hits + self.stale) as f64 / self.requests as f64;
        (self.requests > 0).then_some(ratio)
    }
}
