//! The message bus between instances, and the number of sockets in each room.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::tier::News;

/// The recipients of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Room {
    /// Sockets with the show's page open.
    Show(Uuid),
    /// Sockets subscribed to the show's queue.
    Queue(Uuid),
    /// Sockets subscribed to the show's seats.
    Seats(Uuid),
    /// All sockets of one user.
    User(Uuid),
}

impl Room {
    /// Returns the room's name in Socket.IO.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Show(id) => format!("event:{id}"),
            Self::Queue(id) => format!("queue:{id}"),
            Self::Seats(id) => format!("seats:{id}"),
            Self::User(id) => format!("user:{id}"),
        }
    }
}

/// A message from the server to clients.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Message {
    QueueEntryAllowed {
        user_id: Uuid,
        message: Cow<'static, str>,
    },
    QueueUpdated {
        queue_size: u32,
        timestamp: String,
    },
    QueueCleared {
        message: Cow<'static, str>,
    },
    TicketUpdated {
        ticket_type_id: Uuid,
        available_quantity: u32,
        total_quantity: u32,
        timestamp: String,
    },
    SeatLocked {
        seat_id: Uuid,
        user_id: Uuid,
        status: Cow<'static, str>,
        timestamp: String,
    },
    SeatReleased {
        seat_id: Uuid,
        status: Cow<'static, str>,
        timestamp: String,
    },
    RoomInfo {
        event_id: Uuid,
        user_count: u64,
    },
    /// A message from another instance, as it was received.
    Heard(Heard),
}

/// A message from another instance.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Heard {
    #[serde(skip)]
    name: String,
    data: Value,
}

impl Heard {
    pub(crate) fn new(name: String, data: Value) -> Self {
        Self { name, data }
    }
}

impl Message {
    /// Returns the message's name in Socket.IO.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::QueueEntryAllowed { .. } => "queue-entry-allowed",
            Self::QueueUpdated { .. } => "queue-updated",
            Self::QueueCleared { .. } => "queue-cleared",
            Self::TicketUpdated { .. } => "ticket-updated",
            Self::SeatLocked { .. } => "seat-locked",
            Self::SeatReleased { .. } => "seat-released",
            Self::RoomInfo { .. } => "room-info",
            Self::Heard(heard) => &heard.name,
        }
    }
}

/// A message and the room it is for.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) room: Room,
    pub(crate) message: Message,
}

/// Receives the messages that any instance publishes.
///
/// Unbounded, because publishers are bounded: updates are coalesced, and a show limits its seats and admissions.
pub(crate) type Subscription = mpsc::UnboundedReceiver<Arc<Envelope>>;

/// Publish/subscribe between the instances of one process.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    subscribers: Mutex<Vec<mpsc::UnboundedSender<Arc<Envelope>>>>,
    published: AtomicU64,
    presence: Mutex<Presence>,
}

/// Sockets with a show's page open, counted over all instances.
#[derive(Debug, Default)]
struct Presence {
    sockets: BTreeMap<(Uuid, u64), u64>,
    changed: BTreeSet<Uuid>,
    instances: u64,
    /// The levels announced last.
    announced: BTreeMap<News, u32>,
}

impl Bus {
    pub(crate) fn publish(&self, envelope: Envelope) {
        self.published.fetch_add(1, Ordering::Relaxed);
        let envelope = Arc::new(envelope);
        lock(&self.subscribers).retain(|subscriber| subscriber.send(Arc::clone(&envelope)).is_ok());
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        let (sender, receiver) = mpsc::unbounded_channel();
        lock(&self.subscribers).push(sender);
        receiver
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Registers an instance and returns the number under which it counts its sockets.
    pub(crate) fn join_as_instance(&self) -> u64 {
        let mut presence = lock(&self.presence);
        presence.instances += 1;
        presence.instances
    }

    /// Removes the sockets of an instance that has stopped.
    pub(crate) fn forget_instance(&self, instance: u64) {
        let mut presence = lock(&self.presence);
        let rooms: Vec<Uuid> = presence
            .sockets
            .keys()
            .filter(|(_, of)| *of == instance)
            .map(|(show, _)| *show)
            .collect();
        for show in rooms {
            presence.sockets.remove(&(show, instance));
            presence.changed.insert(show);
        }
    }

    /// Counts a socket of an instance that opened or left a show's page.
    pub(crate) fn set_presence(&self, show: Uuid, instance: u64, change: Change) {
        let mut presence = lock(&self.presence);
        let sockets = presence.sockets.entry((show, instance)).or_default();
        *sockets = match change {
            Change::Joined => *sockets + 1,
            Change::Left => sockets.saturating_sub(1),
        };
        presence.changed.insert(show);
    }

    /// Records a level that is about to be announced, and returns whether it differs from the last one.
    pub(crate) fn is_news(&self, news: News, level: u32) -> bool {
        let before = lock(&self.presence).announced.insert(news, level);
        before.unwrap_or(news.initial()) != level
    }

    /// Returns the number of sockets on a show's page; `None` if nothing has changed since the last call.
    pub(crate) fn take_changed_presence(&self, show: Uuid) -> Option<u64> {
        let mut presence = lock(&self.presence);
        presence.changed.remove(&show).then(|| {
            let rooms = presence.sockets.range((show, 0)..=(show, u64::MAX));
            rooms.map(|(_, sockets)| sockets).sum()
        })
    }
}

/// A change of the sockets in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Joined,
    Left,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
