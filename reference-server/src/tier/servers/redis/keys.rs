//! Names of keys and channels in Redis. The keys of the waiting room are part of the wire contract, so that a queue monitor
//! can read any deployment.

use uuid::Uuid;

use super::super::RedisEndpoint;
use crate::tier::{News, Task};

/// Marks a prefix that this program has claimed, to tell its leftover keys from foreign ones.
const MARKER: &str = "tiketi-sim";

/// The stream and the channel of entries to and exits from the waiting rooms.
const DOORS: &str = "doors";

/// What our keys start with after the prefix.
const KINDS: [&str; 10] = [
    "queue:",
    "active:",
    "admission-rate:",
    "slot:",
    "presence:",
    "presence-changed:",
    "announced:",
    "session:",
    "cache:",
    "rate:",
];

/// The names of one deployment.
#[derive(Clone, Debug)]
pub(in crate::tier::servers) struct Keys {
    prefix: String,
    channels: String,
}

impl Keys {
    pub(in crate::tier::servers) fn of(endpoint: &RedisEndpoint) -> Self {
        let prefix = endpoint.prefix.clone();
        // All logical databases share their channels.
        let channels = match endpoint.database {
            0 => prefix.clone(),
            number => format!("{prefix}{number}:"),
        };
        Self { prefix, channels }
    }

    /// Returns the prefix of every key; may be empty.
    pub(in crate::tier::servers) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(in crate::tier::servers) fn queue(&self, show: Uuid) -> String {
        format!("{}queue:{show}", self.prefix)
    }

    pub(in crate::tier::servers) fn active(&self, show: Uuid) -> String {
        format!("{}active:{show}", self.prefix)
    }

    pub(super) fn admission_rate(&self, show: Uuid) -> String {
        format!("{}admission-rate:{show}", self.prefix)
    }

    pub(super) fn slot(&self, task: Task, show: Uuid) -> String {
        let task = match task {
            Task::Admission => "admission",
            Task::QueueUpdate => "queue-update",
            Task::RoomUpdate => "room-update",
            Task::Sweep => "sweep",
        };
        format!("{}slot:{task}:{show}", self.prefix)
    }

    pub(super) fn presence(&self, show: Uuid) -> String {
        format!("{}presence:{show}", self.prefix)
    }

    pub(super) fn presence_changed(&self, show: Uuid) -> String {
        format!("{}presence-changed:{show}", self.prefix)
    }

    pub(super) fn announced(&self, news: News) -> String {
        let (kind, id) = match news {
            News::QueueSize(show) => ("queue-size", show),
            News::Stock { ticket_type, .. } => ("stock", ticket_type),
        };
        format!("{}announced:{kind}:{id}", self.prefix)
    }

    pub(super) fn session(&self, user: Uuid) -> String {
        format!("{}session:{user}", self.prefix)
    }

    pub(super) fn cached(&self, key: &str) -> String {
        format!("{}cache:{key}", self.prefix)
    }

    pub(super) fn requests(&self, user: Uuid) -> String {
        format!("{}rate:{user}", self.prefix)
    }

    /// Returns the key that is written to check whether Redis accepts writes.
    pub(in crate::tier::servers) fn beat(&self) -> String {
        format!("{}announced:beat", self.prefix)
    }

    /// Returns the stream of entries to and exits from the waiting rooms.
    pub(in crate::tier::servers) fn doors(&self) -> String {
        format!("{}{DOORS}", self.prefix)
    }

    /// Returns a key that never exists.
    pub(in crate::tier::servers) fn nothing(&self) -> String {
        format!("{}nothing", self.prefix)
    }

    /// Returns the key that marks a claimed prefix.
    pub(in crate::tier::servers) fn marker(&self) -> String {
        format!("{}{MARKER}", self.prefix)
    }

    /// Returns the channel between instances.
    pub(in crate::tier::servers) fn bus_channel(&self) -> String {
        format!("{}bus", self.channels)
    }

    /// Returns the channel of entries to and exits from the waiting rooms.
    pub(in crate::tier::servers) fn doors_channel(&self) -> String {
        format!("{}{DOORS}", self.channels)
    }

    /// Returns whether a key is one that this program creates.
    pub(in crate::tier::servers) fn is_ours(&self, key: &[u8]) -> bool {
        let Some(name) = key.strip_prefix(self.prefix.as_bytes()) else {
            return false;
        };
        let is_kind = |kind: &&str| name.starts_with(kind.as_bytes());
        name == MARKER.as_bytes() || name == DOORS.as_bytes() || KINDS.iter().any(is_kind)
    }
}
