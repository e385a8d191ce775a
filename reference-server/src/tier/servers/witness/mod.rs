//! A witness of entries to and exits from the waiting rooms, outside the instances. A loss of Redis doesn't affect its
//! record.
//!
//! The scripts write a note of each step, in the order of execution, both to a channel and to a stream. The witness is
//! subscribed to the channel, so that it usually has a note before the node can die. After a broken connection it reads from
//! the stream what it has missed, and which of the notes it received the current primary doesn't have.
//!
//! One case is out of reach: if a node responds to a client and dies in the same turn of its event loop, before it has sent
//! the note to the witness.

mod account;
mod note;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::RedisResult;
use redis::aio::{PubSub, PubSubStream};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::redis::{Endpoint, Keys, Link, RECONNECT_PAUSE, SCRIPTS};
use super::{ServersConfig, SetupError};
use crate::clock::Clock;
use crate::tier::doors::{People, Whereabouts};
use crate::tier::{AdmissionLedger, FinalDoors};
use account::Account;
use note::NoteId;

/// Timeout of a command in real time. A slower node counts as unavailable.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum wait for the promoted primary in real time: the TTL of a name (5 s as an assumption, at most 60 s according to
/// the documents) and a few attempts.
const FAILOVER_WAIT: Duration = Duration::from_secs(30);

/// Real time without a note after which everything that a dead node has sent has been received.
const SILENCE: Duration = Duration::from_millis(100);

/// Maximum real time to go on receiving from a node before leaving it.
const LEAVING_MAX: Duration = Duration::from_secs(1);

/// Maximum wait for the last notes at the end, in real time.
const NOTES_WAIT: Duration = Duration::from_secs(5);

/// Real time between two checks for the last notes.
const NOTES_LOOK: Duration = Duration::from_millis(10);

/// Numbers of waiting and active users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisLevels {
    /// Users in waiting rooms.
    pub waiting: u64,
    /// Users with a shopping slot.
    pub active: u64,
}

/// Losses in failovers of Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisLoss {
    /// Places in waiting rooms that were lost.
    pub places: u64,
    /// Users put back into a queue after they had left it or been admitted.
    pub places_put_back: u64,
    /// Shopping slots that were lost.
    pub active_places: u64,
    /// Sessions that were lost before they expired. A session that lost only its last change doesn't count.
    pub sessions: u64,
    /// Age of the oldest lost write when the primary was lost, in scenario time; zero if nothing was lost.
    pub reaches_back: Duration,
}

/// Records entries and exits until it is dropped.
#[derive(Debug)]
pub struct RedisWitness {
    shared: Arc<Shared>,
    /// Requests a look at the current primary; answered when it is done.
    looks: mpsc::UnboundedSender<oneshot::Sender<()>>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    link: Link,
    keys: Keys,
    shows: Vec<Uuid>,
    clock: Clock,
    origin_unix_ms: u64,
    account: Mutex<Account>,
}

impl RedisWitness {
    /// Starts to record. Users who are in a waiting room already are taken as given. Call it within a runtime, before the first
    /// instance starts. `speed` is the speed of scenario time relative to real time.
    pub async fn open(
        config: &ServersConfig,
        shows: &[Uuid],
        speed: f64,
    ) -> Result<Self, SetupError> {
        let unreachable = |reason: String| SetupError::RedisUnreachable {
            host: config.redis.host.clone(),
            port: config.redis.port,
            reason,
        };
        let endpoint = Endpoint::new(config, TIMEOUT);
        let endpoint = endpoint.map_err(|error| unreachable(error.to_string()))?;
        let clock = Clock::since(config.origin_unix_ns, speed);
        let mut shared = Shared {
            link: Link::new(endpoint, clock),
            keys: Keys::of(&config.redis),
            shows: shows.to_vec(),
            clock,
            origin_unix_ms: config.origin_unix_ns / 1_000_000,
            account: Mutex::new(Account::default()),
        };
        let standing = shared.standing().await;
        let (newest, people) = standing.map_err(|error| unreachable(error.to_string()))?;
        shared.account = Mutex::new(Account::beginning_at(newest, people));
        let shared = Arc::new(shared);
        let (looks, asked) = mpsc::unbounded_channel();
        let listening = tokio::spawn(listen(Arc::clone(&shared), asked));
        let witness = Self {
            shared,
            looks,
            listening,
        };
        if !witness.look(TIMEOUT).await {
            return Err(unreachable(
                "cannot subscribe to the channel of entries and exits".to_owned(),
            ));
        }
        Ok(witness)
    }

    /// Returns the numbers of waiting and active users of all shows; `None` if Redis doesn't respond within 2 s of real time.
    pub async fn levels(&self) -> Option<RedisLevels> {
        let mut script = SCRIPTS.levels.prepare_invoke();
        for show in &self.shared.shows {
            script.key(self.shared.keys.queue(*show));
            script.key(self.shared.keys.active(*show));
        }
        let answer: RedisResult<(u64, u64)> = self.shared.link.invoke(&script).await;
        let (waiting, active) = answer.ok()?;
        Some(RedisLevels { waiting, active })
    }

    /// Writes to the node under the name. Returns whether Redis accepted the write within 2 s of real time.
    pub async fn beat(&self) -> bool {
        let set = redis::Cmd::set(self.shared.keys.beat(), "");
        let taken: RedisResult<()> = self.shared.link.query(&set).await;
        taken.is_ok()
    }

    /// Returns the scenario time of the tier.
    pub fn now(&self) -> Duration {
        self.shared.clock.now()
    }

    /// Returns the counts of entries and exits so far. They are reliable if [`Self::is_complete`].
    pub fn ledger(&self) -> AdmissionLedger {
        self.shared.account().ledger()
    }

    /// Returns whether every entry and exit was recorded. If not, the ledger is unreliable.
    pub fn is_complete(&self) -> bool {
        self.shared.account().is_complete()
    }

    /// The primary was lost at scenario time `now`.
    pub fn handle_lost(&self, now: Duration) {
        let wall = self.shared.clock.wall(now);
        let since = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        let at_ms = self.shared.origin_unix_ms.saturating_add(since);
        self.shared.account().handle_lost(at_ms);
    }

    /// Reads the current primary, after a promotion or the return of the old one, and returns the losses since the last call.
    /// `None` if no primary is found within 30 s of real time: the name may resolve to the dead node for a while.
    pub async fn handle_failover(&self) -> Option<RedisLoss> {
        if !self.look(FAILOVER_WAIT).await {
            return None;
        }
        let losses = self.shared.account().take_losses();
        let reaches_back = Duration::from_millis(losses.reaches_back_ms);
        Some(RedisLoss {
            places: losses.places,
            places_put_back: losses.places_put_back,
            active_places: losses.active_places,
            sessions: losses.sessions,
            reaches_back: self.shared.clock.scenario(reaches_back),
        })
    }

    /// Returns the final state of the waiting rooms. Call it after the last instance has stopped. `None` if Redis doesn't
    /// respond, or if not every entry and exit was recorded.
    pub async fn doors(&self) -> Option<FinalDoors> {
        let agreed = tokio::time::timeout(NOTES_WAIT, self.shared.compare());
        let doors = agreed.await.ok()??;
        self.is_complete().then_some(doors)
    }

    /// Returns whether the current primary was read in time.
    async fn look(&self, wait: Duration) -> bool {
        let (done, looked) = oneshot::channel();
        let is_asked = self.looks.send(done).is_ok();
        is_asked && matches!(tokio::time::timeout(wait, looked).await, Ok(Ok(())))
    }
}

impl Drop for RedisWitness {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Subscribes again whenever the connection breaks or a look is requested.
async fn listen(shared: Arc<Shared>, mut looks: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    loop {
        // A request during the attempt may be about another node than the one being connected to, so it waits for the next.
        while let Ok(look) = looks.try_recv() {
            waiting.push(look);
        }
        match shared.join().await {
            Ok(subscription) => {
                for look in waiting.drain(..) {
                    if look.send(()).is_err() {
                        tracing::debug!("the requester of a look is gone");
                    }
                }
                if let Some(look) = shared.hear(subscription, &mut looks).await {
                    waiting.push(look);
                }
            }
            Err(error) => tracing::debug!(%error, "cannot subscribe to entries and exits"),
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

impl Shared {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes first and then reads the earlier notes, so that none is missed in between.
    async fn join(&self) -> RedisResult<PubSub> {
        self.link.close();
        let channel = self.keys.doors_channel();
        let subscription = self.link.endpoint().subscribe(&channel).await?;
        self.catch_up().await?;
        Ok(subscription)
    }

    async fn catch_up(&self) -> RedisResult<()> {
        let first = self.account().oldest_recent();
        let mut script = SCRIPTS.catch_up.key(self.keys.doors());
        script.key(self.keys.nothing()).arg(first.to_string());
        let (is_whole, notes): (bool, Vec<(String, Vec<String>)>) =
            self.link.invoke(&script).await?;
        let notes: Vec<(NoteId, String)> = notes
            .into_iter()
            .filter_map(|(id, fields)| Some((id.parse().ok()?, fields.into_iter().nth(1)?)))
            .collect();
        let joined = self.account().handle_catch_up(is_whole, &notes);
        if joined.is_ok() {
            return Ok(());
        }
        let (newest, people) = self.standing().await?;
        if notes.is_empty() && newest >= first {
            let noted = std::io::Error::other("a note was written in between; trying again");
            return Err(noted.into());
        }
        self.account().handle_gap(newest, people);
        Ok(())
    }

    /// Returns when the connection breaks or doesn't respond, or when a look is requested, after reading everything that has
    /// arrived.
    async fn hear(
        &self,
        subscription: PubSub,
        looks: &mut mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    ) -> Option<oneshot::Sender<()>> {
        let (mut sink, mut notes) = subscription.split();
        let mut check = tokio::time::interval(TIMEOUT);
        loop {
            tokio::select! {
                note = notes.next() => match note {
                    Some(note) => self.heard(&note),
                    None => return None,
                },
                look = looks.recv() => {
                    self.hear_out(&mut notes).await;
                    return look;
                }
                _ = check.tick() => {
                    let answer = tokio::time::timeout(TIMEOUT, sink.ping::<redis::Value>());
                    if !matches!(answer.await, Ok(Ok(_))) {
                        self.hear_out(&mut notes).await;
                        return None;
                    }
                }
            }
        }
    }

    /// Reads what a node has sent before it died, or before it is left.
    async fn hear_out(&self, notes: &mut PubSubStream) {
        let all = async {
            while let Ok(Some(note)) = tokio::time::timeout(SILENCE, notes.next()).await {
                self.heard(&note);
            }
        };
        // A node that goes on sending is left anyway: the rest is in its stream.
        drop(tokio::time::timeout(LEAVING_MAX, all).await);
    }

    fn heard(&self, note: &redis::Msg) {
        let text = String::from_utf8_lossy(note.get_payload_bytes());
        let Some((id, text)) = text.split_once(' ') else {
            return;
        };
        if let Ok(id) = id.parse() {
            self.account().handle_note(id, text);
        }
    }

    /// Returns the newest note and the state of every user as of that note.
    async fn standing(&self) -> RedisResult<(NoteId, People)> {
        let mut script = SCRIPTS.standing.key(self.keys.doors());
        script.key(self.keys.nothing());
        for show in &self.shows {
            script.key(self.keys.queue(*show));
            script.key(self.keys.active(*show));
        }
        let (newest, lists): (String, Vec<Vec<String>>) = self.link.invoke(&script).await?;
        let mut people = People::new();
        for (show, lists) in self.shows.iter().zip(lists.chunks(2)) {
            let inside = lists.iter().skip(1).flatten();
            let inside = inside.map(|user| (user, Whereabouts::Inside));
            // A user who is both waiting and active counts as waiting, which is the wrong state of the two.
            let waiting = lists.iter().take(1).flatten();
            let waiting = waiting.map(|user| (user, Whereabouts::Waiting));
            for (user, at) in inside.chain(waiting) {
                if let Ok(user) = Uuid::parse_str(user) {
                    people.insert((*show, user), at);
                }
            }
        }
        Ok((newest.parse().unwrap_or_default(), people))
    }

    /// Compares the record with Redis once both are at the same note. Returns `None` if Redis doesn't respond.
    async fn compare(&self) -> Option<FinalDoors> {
        loop {
            let (newest, people) = self.standing().await.ok()?;
            {
                let account = self.account();
                // Without a stream, which may have been evicted, there is no note to wait for.
                if newest == account.newest() || newest == NoteId::default() {
                    let waits = people.values().filter(|at| **at == Whereabouts::Waiting);
                    let waiting = waits.count() as u64;
                    let astray = account.astray(&people);
                    return Some(FinalDoors { waiting, astray });
                }
            }
            tokio::time::sleep(NOTES_LOOK).await;
        }
    }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
