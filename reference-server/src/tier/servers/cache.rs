//! The cache role on Redis.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::ServersConfig;
use crate::bus::{Change, Envelope, Subscription};
use crate::clock::Clock;
use crate::settings::Settings;
use crate::tier::{Admission, News, Place, QueueStatus, Session, Task, TierUse, Unavailable};

/// Redis as one instance sees it.
#[derive(Clone, Debug)]
pub(crate) struct RedisCache {
    config: Arc<ServersConfig>,
}

impl RedisCache {
    pub(super) fn new(
        config: Arc<ServersConfig>,
        _clock: Clock,
        _instance: &str,
        _settings: &Settings,
    ) -> Self {
        Self { config }
    }

    /// What this instance asked of Redis.
    pub(crate) fn tier_use(&self) -> TierUse {
        TierUse::default()
    }

    /// Takes an active place or joins the queue; whoever is in either stays there.
    pub(crate) async fn enter(&self, _show: Uuid, _user: Uuid) -> Result<Place, Unavailable> {
        Err(Unavailable::Redis)
    }

    pub(crate) async fn queue_status(
        &self,
        _show: Uuid,
        _user: Uuid,
    ) -> Result<QueueStatus, Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Leaves the queue, or gives the active place back.
    pub(crate) async fn leave(&self, _show: Uuid, _user: Uuid) -> Result<(), Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Notes that an active user is not idle.
    pub(crate) async fn touch(&self, _show: Uuid, _user: Uuid) -> Result<(), Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Admits from the head of the queue, once in each slot however many instances ask.
    pub(crate) async fn admit(&self, _show: Uuid, _slot: u64) -> Result<Admission, Unavailable> {
        Err(Unavailable::Redis)
    }

    pub(crate) async fn clear_queue(&self, _show: Uuid) -> Result<(), Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Whether the caller is the first to do the task in this slot.
    pub(crate) async fn claim(
        &self,
        _task: Task,
        _show: Uuid,
        _slot: u64,
    ) -> Result<bool, Unavailable> {
        Err(Unavailable::Redis)
    }

    pub(crate) async fn session(&self, _user: Uuid) -> Result<Option<Session>, Unavailable> {
        Err(Unavailable::Redis)
    }

    pub(crate) async fn set_session(
        &self,
        _user: Uuid,
        _session: Session,
        _ttl: Duration,
    ) -> Result<(), Unavailable> {
        Err(Unavailable::Redis)
    }

    pub(crate) async fn cached(&self, _key: &str) -> Result<Option<Bytes>, Unavailable> {
        Err(Unavailable::Redis)
    }

    pub(crate) async fn set_cached(
        &self,
        _key: String,
        _body: Bytes,
        _ttl: Duration,
    ) -> Result<(), Unavailable> {
        Err(Unavailable::Redis)
    }

    pub(crate) async fn drop_cached(&self, _key: &str) -> Result<(), Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Counts a request of a user; the time to wait when it is over the limit.
    pub(crate) async fn count_request(
        &self,
        _user: Uuid,
        _limit: u32,
    ) -> Result<Option<Duration>, Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Drops sessions, cached bodies and counters that have expired.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Whether a command gets an answer.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Sends a message to every instance.
    pub(crate) async fn publish(&self, _envelope: Envelope) -> Result<(), Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Sockets of all instances in the room of a show's page if that has changed since the last call.
    pub(crate) async fn take_changed_presence(
        &self,
        _show: Uuid,
    ) -> Result<Option<u64>, Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Notes a level that is about to be announced; returns whether it differs from the one announced last.
    pub(crate) async fn is_news(&self, _news: News, _level: u32) -> Result<bool, Unavailable> {
        Err(Unavailable::Redis)
    }

    /// Messages of every instance, this one's own included.
    pub(crate) fn subscribe(&self) -> Subscription {
        tokio::sync::mpsc::unbounded_channel().1
    }

    /// Notes that a socket of this instance opened or left the page of a show.
    pub(crate) fn set_presence(&self, _show: Uuid, _change: Change) {}

    /// Forgets the sockets of this instance, which is gone.
    pub(crate) fn leave_bus(&self) {}
}
