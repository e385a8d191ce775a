//! The cache role on Redis: scripts for atomic steps, TTLs of Redis itself, and the bus on publish/subscribe.

mod bus;
mod endpoint;
mod keys;
mod link;
mod presence;
mod scripts;
#[cfg(test)]
pub(crate) mod test_node;
#[cfg(test)]
mod travel_tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis::{RedisResult, ScriptInvocation, cmd, pipe};
use tokio::sync::{OnceCell, mpsc};
use uuid::Uuid;

use super::ServersConfig;
use crate::bus::{Change, Envelope, Subscription};
use crate::clock::Clock;
use crate::distance::{Distance, Trip};
use crate::settings::Settings;
use crate::tier::waiting::{ADMISSION_RATE_ASSUMED, AdmissionLimits, RATE_SMOOTHING, RATE_WINDOW};
use crate::tier::{
    Admission, News, Place, QueueStatus, Session, SessionChange, Task, TierUse, Unavailable,
};
pub(super) use endpoint::Endpoint;
pub(super) use keys::Keys;
use link::unavailable;
pub(super) use link::{Link, RECONNECT_PAUSE};
use presence::Presence;
pub(super) use scripts::SCRIPTS;

/// Scenario time after which the sockets of an instance that no longer reports them are not counted (an assumption: long
/// enough for a slow instance, and short compared with the boot time of the next one).
const PRESENCE_TTL: Duration = Duration::from_secs(15);

/// Minimum of [`PRESENCE_TTL`] in real time, whatever the speed.
const PRESENCE_TTL_WALL_MIN: Duration = Duration::from_secs(1);

/// The cache role of one instance, with its own connections.
#[derive(Clone, Debug)]
pub(crate) struct RedisCache {
    inner: Arc<Inner>,
    /// The path to Redis; `None` for one that is never impaired.
    distance: Option<Arc<Distance>>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<ServersConfig>,
    clock: Clock,
    /// Name under which the instance counts its sockets.
    instance: String,
    limits: AdmissionLimits,
    /// Timeout of a command in real time.
    timeout: Duration,
    keys: Keys,
    link: OnceCell<Link>,
    presence: Presence,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    operations: AtomicU64,
    published: AtomicU64,
}

impl RedisCache {
    pub(crate) fn new(
        config: Arc<ServersConfig>,
        clock: Clock,
        instance: &str,
        settings: &Settings,
    ) -> Self {
        let inner = Inner {
            keys: Keys::of(&config.redis),
            config,
            clock,
            instance: instance.to_owned(),
            limits: AdmissionLimits::of(settings),
            timeout: clock.wall(settings.redis_timeout),
            link: OnceCell::new(),
            presence: Presence::default(),
            counts: Counts::default(),
        };
        Self {
            inner: Arc::new(inner),
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

    /// Returns the usage of Redis by this instance.
    pub(crate) fn tier_use(&self) -> TierUse {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.inner.counts;
        TierUse {
            cache_hits: read(&counts.hits),
            cache_misses: read(&counts.misses),
            database_queries: 0,
            redis_operations: read(&counts.operations),
            messages_published: read(&counts.published),
        }
    }

    /// Takes a shopping slot or joins the queue. A user who is active or waiting already keeps the slot or place.
    pub(crate) async fn enter(&self, show: Uuid, user: Uuid) -> Result<Place, Unavailable> {
        let keys = &self.inner.keys;
        let mut script = SCRIPTS.enter.key(keys.queue(show));
        script.key(keys.active(show)).key(keys.admission_rate(show));
        script.key(keys.doors());
        script.arg(user.to_string()).arg(show.to_string());
        script.arg(self.inner.limits.active_max);
        script.arg(keys.doors_channel());
        let standing: Standing = self.invoke(&script).await?;
        let status = status_of(&standing);
        Ok(match status.position {
            Some(_) => Place::Waiting(status),
            None => Place::Active {
                active: status.active,
            },
        })
    }

    pub(crate) async fn queue_status(
        &self,
        show: Uuid,
        user: Uuid,
    ) -> Result<QueueStatus, Unavailable> {
        let keys = &self.inner.keys;
        let mut script = SCRIPTS.status.key(keys.queue(show));
        script.key(keys.active(show)).key(keys.admission_rate(show));
        script.arg(user.to_string());
        let standing: Standing = self.invoke(&script).await?;
        Ok(status_of(&standing))
    }

    /// Leaves the queue, or releases the shopping slot.
    pub(crate) async fn leave(&self, show: Uuid, user: Uuid) -> Result<(), Unavailable> {
        let keys = &self.inner.keys;
        let mut script = SCRIPTS.leave.key(keys.queue(show));
        script.key(keys.active(show)).key(keys.doors());
        script.arg(user.to_string()).arg(show.to_string());
        script.arg(keys.doors_channel());
        self.invoke(&script).await
    }

    /// Records activity of an active user.
    pub(crate) async fn touch(&self, show: Uuid, user: Uuid) -> Result<(), Unavailable> {
        let mut script = SCRIPTS.touch.key(self.inner.keys.active(show));
        script.arg(user.to_string());
        self.invoke(&script).await
    }

    /// Releases the shopping slots of idle users and admits users from the head of the queue, once per time slot.
    pub(crate) async fn admit(&self, show: Uuid, slot: u64) -> Result<Admission, Unavailable> {
        let (keys, limits) = (&self.inner.keys, self.inner.limits);
        let mut script = SCRIPTS.admit.key(keys.slot(Task::Admission, show));
        script.key(keys.queue(show)).key(keys.active(show));
        script.key(keys.admission_rate(show)).key(keys.doors());
        script.arg(slot).arg(show.to_string());
        script.arg(limits.active_max);
        script.arg(self.wall_ms(limits.idle_timeout));
        script.arg(limits.admit_every.as_secs_f64().recip());
        script.arg(ADMISSION_RATE_ASSUMED).arg(RATE_SMOOTHING);
        script.arg(keys.doors_channel());
        let admitted: Vec<String> = self.invoke(&script).await?;
        let admitted = admitted
            .iter()
            .filter_map(|user| Uuid::parse_str(user).ok());
        Ok(Admission {
            admitted: admitted.collect(),
        })
    }

    pub(crate) async fn clear_queue(&self, show: Uuid) -> Result<(), Unavailable> {
        let keys = &self.inner.keys;
        let mut script = SCRIPTS.clear.key(keys.queue(show));
        script.key(keys.doors());
        script.arg(show.to_string()).arg(keys.doors_channel());
        self.invoke(&script).await
    }

    /// Returns whether the caller is the first to claim the task for this time slot.
    pub(crate) async fn claim(
        &self,
        task: Task,
        show: Uuid,
        slot: u64,
    ) -> Result<bool, Unavailable> {
        if task == Task::RoomUpdate {
            // The instance that wins the slot counts what all have shared by then, in this slot or the one before.
            self.share_presence(show).await?;
        }
        let mut script = SCRIPTS.claim.key(self.inner.keys.slot(task, show));
        self.invoke(script.arg(slot)).await
    }

    pub(crate) async fn session(&self, user: Uuid) -> Result<Option<Session>, Unavailable> {
        let mut get = cmd("HMGET");
        get.arg(self.inner.keys.session(user)).arg(&SESSION_FIELDS);
        let fields: Fields = self.query(&get).await?;
        Ok(session_of(fields))
    }

    pub(crate) async fn change_session(
        &self,
        user: Uuid,
        change: SessionChange,
        ttl: Duration,
    ) -> Result<(), Unavailable> {
        let keys = &self.inner.keys;
        let (field, value) = field_of(change);
        let mut script = SCRIPTS.change_session.key(keys.session(user));
        script.key(keys.doors());
        script.arg(field).arg(value).arg(self.wall_ms(ttl));
        script.arg(user.to_string()).arg(keys.doors_channel());
        self.invoke(&script).await
    }

    pub(crate) async fn cached(&self, key: &str) -> Result<Option<Bytes>, Unavailable> {
        let mut get = cmd("GET");
        get.arg(self.inner.keys.cached(key));
        let body: Option<Vec<u8>> = self.query(&get).await?;
        let counts = &self.inner.counts;
        let count = if body.is_some() {
            &counts.hits
        } else {
            &counts.misses
        };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(body.map(Bytes::from))
    }

    pub(crate) async fn set_cached(
        &self,
        key: String,
        body: Bytes,
        ttl: Duration,
    ) -> Result<(), Unavailable> {
        let mut set = cmd("SET");
        set.arg(self.inner.keys.cached(&key)).arg(&body[..]);
        set.arg("PX").arg(self.wall_ms(ttl));
        self.query(&set).await
    }

    pub(crate) async fn drop_cached(&self, key: &str) -> Result<(), Unavailable> {
        let mut delete = cmd("DEL");
        delete.arg(self.inner.keys.cached(key));
        self.query(&delete).await
    }

    /// Counts a request of a user. Returns the time to wait if the user is over the limit.
    pub(crate) async fn count_request(
        &self,
        user: Uuid,
        limit: u32,
    ) -> Result<Option<Duration>, Unavailable> {
        let mut script = SCRIPTS.count_request.key(self.inner.keys.requests(user));
        script.arg(limit).arg(self.wall_ms(RATE_WINDOW));
        let wait_ms: u64 = self.invoke(&script).await?;
        let wait = self.inner.clock.scenario(Duration::from_millis(wait_ms));
        Ok((wait_ms > 0).then_some(wait))
    }

    /// Does nothing: Redis removes expired keys itself.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    /// Checks that Redis responds.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        let answer: String = self.query(&cmd("PING")).await?;
        (answer == "PONG").then_some(()).ok_or(Unavailable::Redis)
    }

    /// Publishes messages to every instance, in this order.
    pub(crate) async fn publish_all(&self, envelopes: Vec<Envelope>) -> Result<(), Unavailable> {
        if envelopes.is_empty() {
            return Ok(());
        }
        let channel = self.inner.keys.bus_channel();
        let mut commands = pipe();
        for envelope in &envelopes {
            let publish = commands.cmd("PUBLISH").arg(&channel);
            publish.arg(bus::write(envelope)).ignore();
        }
        let count = envelopes.len() as u64;
        let link = self.link(count).await?;
        match self.trip() {
            None => link
                .pipe::<()>(&commands)
                .await
                .map_err(|error| refused(&error)),
            Some(trip) => Box::pin(self.travel(trip, link.pipe(&commands))).await,
        }?;
        self.inner
            .counts
            .published
            .fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the number of sockets on a show's page over all instances; `None` if nothing has changed since the last call.
    pub(crate) async fn take_changed_presence(
        &self,
        show: Uuid,
    ) -> Result<Option<u64>, Unavailable> {
        let keys = &self.inner.keys;
        let mut script = SCRIPTS.take_presence.key(keys.presence(show));
        script.key(keys.presence_changed(show));
        let sockets: i64 = self.invoke(&script).await?;
        Ok(u64::try_from(sockets).ok())
    }

    /// Records a level that is about to be announced, and returns whether it differs from the last one.
    pub(crate) async fn is_news(&self, news: News, level: u32) -> Result<bool, Unavailable> {
        let mut set = cmd("SET");
        set.arg(self.inner.keys.announced(news))
            .arg(level)
            .arg("GET");
        let before: Option<u32> = self.query(&set).await?;
        Ok(before.unwrap_or(news.initial()) != level)
    }

    /// Subscribes to the messages of every instance, including this one. Call it within the instance's runtime.
    pub(crate) fn subscribe(&self) -> Subscription {
        let (sender, receiver) = mpsc::unbounded_channel();
        match self.endpoint() {
            Ok(endpoint) => {
                let channel = self.inner.keys.bus_channel();
                tokio::spawn(bus::listen(endpoint, channel, sender));
            }
            Err(error) => tracing::warn!(%error, "cannot connect to Redis"),
        }
        receiver
    }

    /// Counts a socket of this instance that opened or left the page of a show.
    pub(crate) fn set_presence(&self, show: Uuid, change: Change) {
        self.inner.presence.change(show, change);
    }

    /// Removes the sockets of this instance, which has stopped. Other instances count them until the share expires.
    pub(crate) fn leave_bus(&self) {
        self.inner.presence.clear();
    }

    async fn share_presence(&self, show: Uuid) -> Result<(), Unavailable> {
        let Some(share) = self.inner.presence.take_share(show) else {
            return Ok(());
        };
        let keys = &self.inner.keys;
        let ttl = self.inner.clock.wall(PRESENCE_TTL);
        let mut script = SCRIPTS.share_presence.key(keys.presence(show));
        script.key(keys.presence_changed(show));
        script.arg(&self.inner.instance).arg(share.sockets);
        script.arg(millis(ttl.max(PRESENCE_TTL_WALL_MIN)));
        script.arg(u8::from(share.has_changed));
        let shared = self.invoke(&script).await;
        if shared.is_err() {
            self.inner.presence.put_back(show, share);
        }
        shared
    }

    async fn query<T: redis::FromRedisValue>(
        &self,
        command: &redis::Cmd,
    ) -> Result<T, Unavailable> {
        let link = self.link(1).await?;
        match self.trip() {
            None => link.query(command).await.map_err(|error| refused(&error)),
            Some(trip) => Box::pin(self.travel(trip, link.query(command))).await,
        }
    }

    async fn invoke<T: redis::FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Unavailable> {
        let link = self.link(1).await?;
        match self.trip() {
            None => link.invoke(script).await.map_err(|error| refused(&error)),
            Some(trip) => Box::pin(self.travel(trip, link.invoke(script))).await,
        }
    }

    /// Draws the way of a command; `None` if the path is clear.
    fn trip(&self) -> Option<Trip> {
        self.distance.as_ref().and_then(|one| one.trip_to_redis())
    }

    /// Carries out a command over an impaired path.
    async fn travel<T>(
        &self,
        trip: Trip,
        command: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Unavailable> {
        let clock = self.inner.clock;
        let client = (clock, clock.scenario(self.inner.timeout));
        let carried = trip.carry(client, command).await;
        let answer = carried.ok_or(Unavailable::Redis)?;
        answer.map_err(|error| refused(&error))
    }

    /// Returns the link, and counts this many operations.
    async fn link(&self, operations: u64) -> Result<&Link, Unavailable> {
        self.inner
            .counts
            .operations
            .fetch_add(operations, Ordering::Relaxed);
        let link = self.inner.link.get_or_try_init(async || {
            let endpoint = self.endpoint()?;
            Ok::<_, std::io::Error>(Link::new(endpoint, self.inner.clock))
        });
        link.await.map_err(|error| {
            tracing::warn!(%error, "cannot connect to Redis");
            Unavailable::Redis
        })
    }

    fn endpoint(&self) -> std::io::Result<Endpoint> {
        Endpoint::new(&self.inner.config, self.inner.timeout)
    }

    /// Converts a duration from scenario time to the milliseconds of real time that Redis uses.
    fn wall_ms(&self, scenario: Duration) -> u64 {
        millis(self.inner.clock.wall(scenario))
    }
}

/// Position (0 with a shopping slot, -1 with neither), users waiting, users active, admission rate (empty before the first
/// measurement).
type Standing = (i64, u32, u32, String);

fn status_of((place, queue_size, active, rate): &Standing) -> QueueStatus {
    QueueStatus {
        position: u32::try_from(*place).ok().filter(|place| *place > 0),
        is_active: *place == 0,
        queue_size: *queue_size,
        active: *active,
        rate: rate.parse().unwrap_or(ADMISSION_RATE_ASSUMED),
    }
}

/// Fields of a session in Redis. The first exists as long as the session does.
const SESSION_FIELDS: [&str; 5] = ["connected", "page", "queue", "seats", "selected"];

/// Values of [`SESSION_FIELDS`].
type Fields = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// Returns the field that a change sets, and its new value.
fn field_of(change: SessionChange) -> (&'static str, String) {
    let [connected, page, queue, seats, selected] = SESSION_FIELDS;
    match change {
        SessionChange::Connected => (connected, "1".to_owned()),
        SessionChange::Page(show) => (page, show.map_or_else(String::new, |show| show.to_string())),
        SessionChange::Queue(show) => (queue, show.to_string()),
        SessionChange::Seats(show) => (seats, show.to_string()),
        SessionChange::Selected(picked) => {
            let picked = serde_json::to_string(&picked);
            (
                selected,
                picked.expect("a list of strings is always valid JSON"),
            )
        }
    }
}

/// Returns the session with these fields; `None` if it doesn't exist.
fn session_of((connected, page, queue, seats, selected): Fields) -> Option<Session> {
    let id = |field: Option<String>| Uuid::parse_str(&field?).ok();
    let picked = |field: Option<String>| serde_json::from_str(&field?).ok();
    connected.map(|_| Session {
        event_id: id(page),
        queue_event_id: id(queue),
        seat_event_id: id(seats),
        selected_seats: picked(selected).unwrap_or_default(),
    })
}

fn refused(error: &redis::RedisError) -> Unavailable {
    tracing::debug!(%error, "a Redis command failed");
    unavailable(error)
}

/// Returns whole milliseconds, at least one: Redis rejects a TTL of zero.
fn millis(wall: Duration) -> u64 {
    u64::try_from(wall.as_millis()).unwrap_or(u64::MAX).max(1)
}
