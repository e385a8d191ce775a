//! The cache role as handlers see it: waiting room, sessions, cache, rate limit, bus.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::embedded::EmbeddedCache;
use super::servers::RedisCache;
use super::{Admission, Place, QueueStatus, Task, Unavailable};
use crate::bus::{Change, Envelope, Subscription};

/// What is remembered of a user's socket, on whichever instance it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    /// The show whose page is open.
    pub(crate) event_id: Option<Uuid>,
    /// The show whose queue the user watches.
    pub(crate) queue_event_id: Option<Uuid>,
    /// The show whose seats the user watches.
    pub(crate) seat_event_id: Option<Uuid>,
    /// Seats picked on the page, not yet held.
    pub(crate) selected_seats: Vec<String>,
}

/// What a message of a socket changes of its user's session. Sessions are changed and not replaced: two messages at the
/// same time, maybe on two instances, must both count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionChange {
    /// The session begins, or goes on.
    Connected,
    /// The page of a show was opened, or left.
    Page(Option<Uuid>),
    /// The queue of a show is watched.
    Queue(Uuid),
    /// The seats of a show are watched.
    Seats(Uuid),
    /// Seats were picked on the page.
    Selected(Vec<String>),
}

impl Session {
    /// The session after a change.
    pub(crate) fn changed(mut self, change: SessionChange) -> Self {
        match change {
            SessionChange::Connected => {}
            SessionChange::Page(show) => self.event_id = show,
            SessionChange::Queue(show) => self.queue_event_id = Some(show),
            SessionChange::Seats(show) => self.seat_event_id = Some(show),
            SessionChange::Selected(seats) => self.selected_seats = seats,
        }
        self
    }
}

/// A level that is announced to sockets when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum News {
    /// Users in the queue of a show.
    QueueSize(Uuid),
    /// Tickets left of a ticket type, out of `total`.
    Stock { ticket_type: Uuid, total: u32 },
}

impl News {
    /// The level before the first announcement: nobody waits, and nothing is sold.
    pub(crate) const fn initial(self) -> u32 {
        match self {
            Self::QueueSize(_) => 0,
            Self::Stock { total, .. } => total,
        }
    }
}

/// The cache role of the tier that an instance stands on.
#[derive(Clone, Debug)]
pub(crate) enum Cache {
    Embedded(EmbeddedCache),
    Servers(RedisCache),
}

/// Does the same on whichever store it is.
macro_rules! on_store {
    ($role:expr, $store:ident => $call:expr) => {
        match $role {
            Self::Embedded($store) => $call,
            Self::Servers($store) => $call,
        }
    };
}

impl Cache {
    /// Takes an active place or joins the queue; whoever is in either stays there.
    pub(crate) async fn enter(&self, show: Uuid, user: Uuid) -> Result<Place, Unavailable> {
        on_store!(self, store => store.enter(show, user).await)
    }

    pub(crate) async fn queue_status(
        &self,
        show: Uuid,
        user: Uuid,
    ) -> Result<QueueStatus, Unavailable> {
        on_store!(self, store => store.queue_status(show, user).await)
    }

    /// Leaves the queue, or gives the active place back.
    pub(crate) async fn leave(&self, show: Uuid, user: Uuid) -> Result<(), Unavailable> {
        on_store!(self, store => store.leave(show, user).await)
    }

    /// Notes that an active user is not idle.
    pub(crate) async fn touch(&self, show: Uuid, user: Uuid) -> Result<(), Unavailable> {
        on_store!(self, store => store.touch(show, user).await)
    }

    /// Admits from the head of the queue, once in each slot however many instances ask.
    pub(crate) async fn admit(&self, show: Uuid, slot: u64) -> Result<Admission, Unavailable> {
        on_store!(self, store => store.admit(show, slot).await)
    }

    pub(crate) async fn clear_queue(&self, show: Uuid) -> Result<(), Unavailable> {
        on_store!(self, store => store.clear_queue(show).await)
    }

    /// Whether the caller is the first to do the task in this slot.
    pub(crate) async fn claim(
        &self,
        task: Task,
        show: Uuid,
        slot: u64,
    ) -> Result<bool, Unavailable> {
        on_store!(self, store => store.claim(task, show, slot).await)
    }

    pub(crate) async fn session(&self, user: Uuid) -> Result<Option<Session>, Unavailable> {
        on_store!(self, store => store.session(user).await)
    }

    /// Changes a session, or begins one, and renews its life.
    pub(crate) async fn change_session(
        &self,
        user: Uuid,
        change: SessionChange,
        ttl: Duration,
    ) -> Result<(), Unavailable> {
        on_store!(self, store => store.change_session(user, change, ttl).await)
    }

    pub(crate) async fn cached(&self, key: &str) -> Result<Option<Bytes>, Unavailable> {
        on_store!(self, store => store.cached(key).await)
    }

    pub(crate) async fn set_cached(
        &self,
        key: String,
        body: Bytes,
        ttl: Duration,
    ) -> Result<(), Unavailable> {
        on_store!(self, store => store.set_cached(key, body, ttl).await)
    }

    pub(crate) async fn drop_cached(&self, key: &str) -> Result<(), Unavailable> {
        on_store!(self, store => store.drop_cached(key).await)
    }

    /// Counts a request of a user; the time to wait when it is over the limit.
    pub(crate) async fn count_request(
        &self,
        user: Uuid,
        limit: u32,
    ) -> Result<Option<Duration>, Unavailable> {
        on_store!(self, store => store.count_request(user, limit).await)
    }

    /// Drops sessions, cached bodies and counters that have expired.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        on_store!(self, store => store.sweep().await)
    }

    /// Whether a command gets an answer.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        on_store!(self, store => store.ping().await)
    }

    /// Sends a message to every instance.
    pub(crate) async fn publish(&self, envelope: Envelope) -> Result<(), Unavailable> {
        self.publish_all(vec![envelope]).await
    }

    /// Sends messages to every instance, in this order.
    pub(crate) async fn publish_all(&self, envelopes: Vec<Envelope>) -> Result<(), Unavailable> {
        on_store!(self, store => store.publish_all(envelopes).await)
    }

    /// Sockets of all instances in the room of a show's page if that has changed since the last call.
    pub(crate) async fn take_changed_presence(
        &self,
        show: Uuid,
    ) -> Result<Option<u64>, Unavailable> {
        on_store!(self, store => store.take_changed_presence(show).await)
    }

    /// Notes a level that is about to be announced; returns whether it differs from the one announced last.
    pub(crate) async fn is_news(&self, news: News, level: u32) -> Result<bool, Unavailable> {
        on_store!(self, store => store.is_news(news, level).await)
    }

    /// Messages of every instance, this one's own included.
    pub(crate) fn subscribe(&self) -> Subscription {
        on_store!(self, store => store.subscribe())
    }

    /// Notes that a socket of this instance opened or left the page of a show.
    pub(crate) fn set_presence(&self, show: Uuid, change: Change) {
        on_store!(self, store => store.set_presence(show, change));
    }

    /// Forgets the sockets of this instance, which is gone.
    pub(crate) fn leave_bus(&self) {
        on_store!(self, store => store.leave_bus());
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
