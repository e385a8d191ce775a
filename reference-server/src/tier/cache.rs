//! The cache role as seen by handlers: waiting room, sessions, cache, rate limit and bus.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tiketi_data_tier::StockVersion;
use uuid::Uuid;

use super::embedded::EmbeddedCache;
use super::servers::RedisCache;
use super::{Admission, Place, QueueStatus, Task, Unavailable};
use crate::bus::{Change, Envelope, Subscription};
use crate::distance::Distance;

/// The state of a user's socket, kept so that a reconnect on any instance can restore it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    /// The show whose page is open.
    pub(crate) event_id: Option<Uuid>,
    /// The show whose queue the user is subscribed to.
    pub(crate) queue_event_id: Option<Uuid>,
    /// The show whose seats the user is subscribed to.
    pub(crate) seat_event_id: Option<Uuid>,
    /// Seats selected on the page, not yet on hold.
    pub(crate) selected_seats: Vec<String>,
}

/// A change of one field of a session. Sessions are not replaced as a whole, because two messages that arrive at the same
/// time, perhaps on two instances, must both take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionChange {
    /// The socket connected; creates the session if there is none.
    Connected,
    /// The page of a show was opened (or left: `None`).
    Page(Option<Uuid>),
    /// The user subscribed to the queue of a show.
    Queue(Uuid),
    /// The user subscribed to the seats of a show.
    Seats(Uuid),
    /// Seats were selected on the page.
    Selected(Vec<String>),
}

impl Session {
    /// Returns the session after a change.
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

/// The cache role of an instance's data tier.
#[derive(Clone, Debug)]
pub(crate) enum Cache {
    Embedded(EmbeddedCache),
    Servers(RedisCache),
}

/// Makes the call on either store.
macro_rules! on_store {
    ($role:expr, $store:ident => $call:expr) => {
        match $role {
            Self::Embedded($store) => $call,
            Self::Servers($store) => $call,
        }
    };
}

impl Cache {
    /// The same store over a path that faults may impair.
    pub(crate) fn behind(self, distance: &Arc<Distance>) -> Self {
        match self {
            Self::Embedded(store) => Self::Embedded(store.behind(Arc::clone(distance))),
            Self::Servers(store) => Self::Servers(store.behind(Arc::clone(distance))),
        }
    }

    /// Takes a shopping slot or joins the queue. A user who is active or waiting already keeps the slot or place.
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

    /// Leaves the queue, or releases the shopping slot.
    pub(crate) async fn leave(&self, show: Uuid, user: Uuid) -> Result<(), Unavailable> {
        on_store!(self, store => store.leave(show, user).await)
    }

    /// Records activity of an active user.
    pub(crate) async fn touch(&self, show: Uuid, user: Uuid) -> Result<(), Unavailable> {
        on_store!(self, store => store.touch(show, user).await)
    }

    /// Releases the shopping slots of idle users and admits users from the head of the queue. Of all instances that call it
    /// with the same time slot, one does.
    pub(crate) async fn admit(&self, show: Uuid, slot: u64) -> Result<Admission, Unavailable> {
        on_store!(self, store => store.admit(show, slot).await)
    }

    pub(crate) async fn clear_queue(&self, show: Uuid) -> Result<(), Unavailable> {
        on_store!(self, store => store.clear_queue(show).await)
    }

    /// Returns whether the caller is the first to claim the task for this time slot.
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

    /// Changes a session, or creates it, and renews its TTL.
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

    /// As [`Self::set_cached`], for the details of a show. The embedded store keeps which version of the stock they show, and
    /// counts outdated reads.
    pub(crate) async fn set_cached_stock(
        &self,
        key: String,
        body: Bytes,
        ttl: Duration,
        stock: Option<(Uuid, StockVersion)>,
    ) -> Result<(), Unavailable> {
        match self {
            Self::Embedded(store) => store.set_cached_stock(key, body, ttl, stock).await,
            Self::Servers(store) => store.set_cached(key, body, ttl).await,
        }
    }

    pub(crate) async fn drop_cached(&self, key: &str) -> Result<(), Unavailable> {
        on_store!(self, store => store.drop_cached(key).await)
    }

    /// Counts a request of a user. Returns the time to wait if the user is over the limit.
    pub(crate) async fn count_request(
        &self,
        user: Uuid,
        limit: u32,
    ) -> Result<Option<Duration>, Unavailable> {
        on_store!(self, store => store.count_request(user, limit).await)
    }

    /// Removes expired sessions, cached bodies and counters.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        on_store!(self, store => store.sweep().await)
    }

    /// Checks that Redis responds.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        on_store!(self, store => store.ping().await)
    }

    /// Publishes a message to every instance.
    pub(crate) async fn publish(&self, envelope: Envelope) -> Result<(), Unavailable> {
        self.publish_all(vec![envelope]).await
    }

    /// Publishes messages to every instance, in this order.
    pub(crate) async fn publish_all(&self, envelopes: Vec<Envelope>) -> Result<(), Unavailable> {
        on_store!(self, store => store.publish_all(envelopes).await)
    }

    /// Returns the number of sockets on a show's page over all instances; `None` if nothing has changed since the last call.
    pub(crate) async fn take_changed_presence(
        &self,
        show: Uuid,
    ) -> Result<Option<u64>, Unavailable> {
        on_store!(self, store => store.take_changed_presence(show).await)
    }

    /// Records a level that is about to be announced, and returns whether it differs from the last one.
    pub(crate) async fn is_news(&self, news: News, level: u32) -> Result<bool, Unavailable> {
        on_store!(self, store => store.is_news(news, level).await)
    }

    /// Subscribes to the messages of every instance, including this one.
    pub(crate) fn subscribe(&self) -> Subscription {
        on_store!(self, store => store.subscribe())
    }

    /// Counts a socket of this instance that opened or left the page of a show.
    pub(crate) fn set_presence(&self, show: Uuid, change: Change) {
        on_store!(self, store => store.set_presence(show, change));
    }

    /// Removes the sockets of this instance, which has stopped.
    pub(crate) fn leave_bus(&self) {
        on_store!(self, store => store.leave_bus());
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
