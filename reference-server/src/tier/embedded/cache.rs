//! The cache role on the embedded store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tiketi_core::units::SimTime;
use tiketi_data_tier::{Asked, StockVersion};
use uuid::Uuid;

use super::Inner;
use super::redis::{CachedBody, RedisStore};
use crate::bus::{Change, Envelope, Subscription};
use crate::distance::Distance;
use crate::tier::{Admission, News, Place, QueueStatus, Session, SessionChange, Task, Unavailable};

/// The embedded Redis as one instance sees it.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddedCache {
    inner: Arc<Inner>,
    /// Number under which the bus counts the instance's sockets.
    instance: u64,
    /// The path to Redis; `None` for one that is never impaired.
    distance: Option<Arc<Distance>>,
}

impl EmbeddedCache {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let instance = inner.bus.join_as_instance();
        Self {
            inner,
            instance,
            distance: None,
        }
    }

    /// The same, over a path that faults may impair.
    pub(crate) fn behind(self, distance: Arc<Distance>) -> Self {
        Self {
            distance: Some(distance),
            ..self
        }
    }

    /// Takes an active place or joins the queue; a user who is in either stays there.
    pub(crate) async fn enter(&self, show: Uuid, user: Uuid) -> Result<Place, Unavailable> {
        self.script(|store, now| store.enter(now, show, user)).await
    }

    pub(crate) async fn queue_status(
        &self,
        show: Uuid,
        user: Uuid,
    ) -> Result<QueueStatus, Unavailable> {
        self.script(|store, now| store.status(now, show, user))
            .await
    }

    /// Leaves the queue, or gives the active place back.
    pub(crate) async fn leave(&self, show: Uuid, user: Uuid) -> Result<(), Unavailable> {
        self.script(|store, now| store.leave(now, show, user)).await
    }

    /// Notes that an active user is not idle.
    pub(crate) async fn touch(&self, show: Uuid, user: Uuid) -> Result<(), Unavailable> {
        self.script(|store, now| store.touch(now, show, user)).await
    }

    /// Admits from the head of the queue, once in each slot however many instances ask.
    pub(crate) async fn admit(&self, show: Uuid, slot: u64) -> Result<Admission, Unavailable> {
        self.script(|store, now| store.admit(now, show, slot)).await
    }

    pub(crate) async fn clear_queue(&self, show: Uuid) -> Result<(), Unavailable> {
        self.script(|store, now| store.clear(now, show)).await
    }

    /// Whether the caller is the first to do the task in this slot.
    pub(crate) async fn claim(
        &self,
        task: Task,
        show: Uuid,
        slot: u64,
    ) -> Result<bool, Unavailable> {
        self.script(|store, now| store.claim(now, task, (show, slot)))
            .await
    }

    pub(crate) async fn session(&self, user: Uuid) -> Result<Option<Session>, Unavailable> {
        self.script(|store, now| store.session(now, user)).await
    }

    pub(crate) async fn change_session(
        &self,
        user: Uuid,
        change: SessionChange,
        ttl: Duration,
    ) -> Result<(), Unavailable> {
        self.script(|store, now| store.change_session(now, (user, change), ttl))
            .await
    }

    pub(crate) async fn cached(&self, key: &str) -> Result<Option<Bytes>, Unavailable> {
        let body = self.script(|store, now| store.cached(now, key)).await?;
        let Some(CachedBody { bytes, stock }) = body else {
            return Ok(None);
        };
        if let Some(stock) = stock {
            let mut tables = self.inner.tables();
            tables.note_cached_read(self.inner.now(), stock);
        }
        Ok(Some(bytes))
    }

    pub(crate) async fn set_cached(
        &self,
        key: String,
        bytes: Bytes,
        ttl: Duration,
    ) -> Result<(), Unavailable> {
        let body = CachedBody { bytes, stock: None };
        self.script(|store, now| store.set_cached(now, (key, ttl), body))
            .await
    }

    /// As [`Self::set_cached`], for a body that shows this version of a show's stock.
    pub(crate) async fn set_cached_stock(
        &self,
        key: String,
        bytes: Bytes,
        ttl: Duration,
        stock: Option<(Uuid, StockVersion)>,
    ) -> Result<(), Unavailable> {
        let body = CachedBody { bytes, stock };
        self.script(|store, now| store.set_cached(now, (key, ttl), body))
            .await
    }

    pub(crate) async fn drop_cached(&self, key: &str) -> Result<(), Unavailable> {
        self.script(|store, now| store.drop_cached(now, key)).await
    }

    /// Counts a request of a user; the time to wait when it is over the limit.
    pub(crate) async fn count_request(
        &self,
        user: Uuid,
        limit: u32,
    ) -> Result<Option<Duration>, Unavailable> {
        self.script(|store, now| store.count_request(now, user, limit))
            .await
    }

    /// Drops sessions and cached bodies that have expired.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        self.script(RedisStore::sweep).await
    }

    /// Whether a command gets an answer.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        self.script(|_, _| Ok(())).await
    }

    /// Sends messages to every instance, in this order.
    pub(crate) async fn publish_all(&self, envelopes: Vec<Envelope>) -> Result<(), Unavailable> {
        for envelope in envelopes {
            self.ping().await?;
            self.inner.bus.publish(envelope);
        }
        Ok(())
    }

    /// Messages of every instance, this one's own included.
    pub(crate) fn subscribe(&self) -> Subscription {
        self.inner.bus.subscribe()
    }

    /// Notes that a socket of this instance opened or left the page of a show.
    pub(crate) fn set_presence(&self, show: Uuid, change: Change) {
        self.inner.bus.set_presence(show, self.instance, change);
    }

    /// Sockets of all instances in the room of a show's page if that has changed since the last call.
    pub(crate) async fn take_changed_presence(
        &self,
        show: Uuid,
    ) -> Result<Option<u64>, Unavailable> {
        Ok(self.inner.bus.take_changed_presence(show))
    }

    /// Notes a level that is about to be announced; returns whether it differs from the one announced last.
    pub(crate) async fn is_news(&self, news: News, level: u32) -> Result<bool, Unavailable> {
        Ok(self.inner.bus.is_news(news, level))
    }

    /// Forgets the sockets of this instance, which is gone.
    pub(crate) fn leave_bus(&self) {
        self.inner.bus.forget_instance(self.instance);
    }

    /// Runs one atomic step on the primary, over a path that may be impaired.
    async fn script<T>(
        &self,
        body: impl FnOnce(&mut RedisStore, SimTime) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        let trip = self.distance.as_ref().and_then(|one| one.trip_to_redis());
        let Some(trip) = trip else {
            return self.on_primary(body).await;
        };
        let client = (self.inner.clock, self.inner.redis_timeout);
        let carried = trip.carry(client, self.on_primary(body)).await;
        carried.unwrap_or(Err(Unavailable::Redis))
    }

    /// Runs one atomic step on the primary. One that is paused, or was lost without a word, is waited for until the client
    /// gives up; what it has given up on never happens.
    async fn on_primary<T>(
        &self,
        body: impl FnOnce(&mut RedisStore, SimTime) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        self.inner.assert_sound();
        if self.inner.redis_is_paused() {
            self.inner.redis_continues().await?;
        }
        let silence = {
            // The clock is read under the lock, so that writes are replicated in the order of their times.
            let mut store = self.inner.redis();
            let now = self.inner.now();
            match store.ask(now) {
                Asked::Done(_) => return body(&mut store, now),
                Asked::Down => return Err(Unavailable::Redis),
                Asked::Silent(gives_up_at) => gives_up_at.saturating_since(now),
            }
        };
        tokio::time::sleep(self.inner.clock.wall(silence)).await;
        Err(Unavailable::Redis)
    }
}
