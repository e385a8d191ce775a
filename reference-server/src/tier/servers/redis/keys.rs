//! What things are called in Redis. The keys of the waiting room are part of the wire contract, so that a queue monitor
//! can read any deployment.

use uuid::Uuid;

use super::super::RedisEndpoint;
use crate::tier::{News, Task};

/// Mark of a deployment of ours, so that its leftovers are known from foreign keys.
const MARKER: &str = "tiketi-sim";

/// The stream, and the channel, of what happens at the doors.
const DOORS: &str = "doors";

/// What our keys begin with behind the prefix.
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

/// Names of one deployment.
#[derive(Clone, Debug)]
pub(in crate::tier::servers) struct Keys {
    prefix: String,
    channels: String,
}

impl Keys {
    pub(in crate::tier::servers) fn of(endpoint: &RedisEndpoint) -> Self {
        let prefix = endpoint.prefix.clone();
        // Channels are the same for all logical databases.
        let channels = match endpoint.database {
            0 => prefix.clone(),
            number => format!("{prefix}{number}:"),
        };
        Self { prefix, channels }
    }

    /// What every key begins with; may be empty.
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

    /// What is written to see whether it can be.
    pub(in crate::tier::servers) fn beat(&self) -> String {
        format!("{}announced:beat", self.prefix)
    }

    /// The stream of what happened at the doors.
    pub(in crate::tier::servers) fn doors(&self) -> String {
        format!("{}{DOORS}", self.prefix)
    }

    /// A key that never is there.
    pub(in crate::tier::servers) fn nothing(&self) -> String {
        format!("{}nothing", self.prefix)
    }

    /// The key that marks a deployment of ours.
    pub(in crate::tier::servers) fn marker(&self) -> String {
        format!("{}{MARKER}", self.prefix)
    }

    /// The channel between instances.
    pub(in crate::tier::servers) fn bus_channel(&self) -> String {
        format!("{}bus", self.channels)
    }

    /// The channel of what happens at the doors.
    pub(in crate::tier::servers) fn doors_channel(&self) -> String {
        format!("{}{DOORS}", self.channels)
    }

    /// Whether a key is one that a deployment of ours makes.
    pub(in crate::tier::servers) fn is_ours(&self, key: &[u8]) -> bool {
        let Some(name) = key.strip_prefix(self.prefix.as_bytes()) else {
            return false;
        };
        let is_kind = |kind: &&str| name.starts_with(kind.as_bytes());
        name == MARKER.as_bytes() || name == DOORS.as_bytes() || KINDS.iter().any(is_kind)
    }
}
