//! A witness at the doors of the waiting rooms, outside the instances: what it heard is not lost when Redis is.
//!
//! The scripts note each step in the order of execution, both on a channel and in a stream. The witness listens to the
//! channel, so that a note is out of the node before the node can die; after a break it finds in the stream what it could
//! not hear, and which of the notes it heard the present primary does not have.
//!
//! What no witness can know: a write that a node answered in the last turn of its loop, and died before the note was
//! written to the witness as well.

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

/// Longest wait for an answer, on the wall: a node that is slower is out.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for the promoted primary, on the wall: the time to live of a name (5 s as an assumption, at most 60 s by
/// the documents), and some attempts.
const FAILOVER_WAIT: Duration = Duration::from_secs(30);

/// Silence on a connection, on the wall, after which everything that a dead node has sent is read.
const SILENCE: Duration = Duration::from_millis(100);

/// Longest reading from a node that is to be left, on the wall.
const LEAVING_MAX: Duration = Duration::from_secs(1);

/// Longest wait at the end for notes on their way, on the wall.
const NOTES_WAIT: Duration = Duration::from_secs(5);

/// Pause between two looks at notes on their way, on the wall.
const NOTES_LOOK: Duration = Duration::from_millis(10);

/// How full the waiting rooms are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisLevels {
    /// People in waiting rooms.
    pub waiting: u64,
    /// People with an active place.
    pub active: u64,
}

/// What failovers of Redis have lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisLoss {
    /// Places in waiting rooms that are gone.
    pub places: u64,
    /// People who wait again although they had left, or had been admitted.
    pub places_put_back: u64,
    /// Active places that are gone.
    pub active_places: u64,
    /// Sessions that are gone and had not expired. A session whose last change is gone is still there, and not counted.
    pub sessions: u64,
    /// Age of the oldest lost write at the moment of the loss, scenario time; zero when nothing is lost.
    pub reaches_back: Duration,
}

/// Listens at the doors for as long as it lives.
#[derive(Debug)]
pub struct RedisWitness {
    shared: Arc<Shared>,
    /// Asks to look at the present primary; answered when that is done.
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
    /// Begins to listen; everyone who stands in a waiting room now is taken as given. Call it within a runtime, before the
    /// first instance starts. `speed` is scenario seconds in a wall second.
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
                "the channel of the doors cannot be heard".to_owned(),
            ));
        }
        Ok(witness)
    }

    /// How full the waiting rooms of all shows are; `None` if Redis does not answer within 2 s of the wall.
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

    /// Writes a little, as a client that follows the name; whether Redis took it within 2 s of the wall.
    pub async fn beat(&self) -> bool {
        let set = redis::Cmd::set(self.shared.keys.beat(), "");
        let taken: RedisResult<()> = self.shared.link.query(&set).await;
        taken.is_ok()
    }

    /// Scenario time of the tier.
    pub fn now(&self) -> Duration {
        self.shared.clock.now()
    }

    /// What happened at the doors so far. Only as good as [`Self::is_complete`] says.
    pub fn ledger(&self) -> AdmissionLedger {
        self.shared.account().ledger()
    }

    /// Whether every step at the doors was witnessed: if not, nobody can vouch for the ledger.
    pub fn is_complete(&self) -> bool {
        self.shared.account().is_complete()
    }

    /// The primary is gone since scenario time `now`.
    pub fn handle_lost(&self, now: Duration) {
        let wall = self.shared.clock.wall(now);
        let since = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        let at_ms = self.shared.origin_unix_ms.saturating_add(since);
        self.shared.account().handle_lost(at_ms);
    }

    /// Looks at the present primary, after another was promoted or the old one is back, and says what was lost since the
    /// last call. `None` if no primary is reached within 30 s of the wall: the name may lead to the dead one for a while.
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

    /// Who stands before and behind the doors at the end, when the instances are gone. `None` if Redis does not answer, or
    /// if not every step was witnessed.
    pub async fn doors(&self) -> Option<FinalDoors> {
        let agreed = tokio::time::timeout(NOTES_WAIT, self.shared.compare());
        let doors = agreed.await.ok()??;
        self.is_complete().then_some(doors)
    }

    /// Returns whether the present primary was looked at in time.
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

/// Listens anew whenever the connection breaks or somebody asks.
async fn listen(shared: Arc<Shared>, mut looks: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    loop {
        // Who asks during the attempt may mean another node than the one that is being connected to: it asks again.
        while let Ok(look) = looks.try_recv() {
            waiting.push(look);
        }
        match shared.join().await {
            Ok(subscription) => {
                for look in waiting.drain(..) {
                    if look.send(()).is_err() {
                        tracing::debug!("whoever asked for a look has given up");
                    }
                }
                if let Some(look) = shared.hear(subscription, &mut looks).await {
                    waiting.push(look);
                }
            }
            Err(error) => tracing::debug!(%error, "the doors cannot be heard"),
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

impl Shared {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes, and then reads what was noted before: nothing can fall in between.
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
            let noted = std::io::Error::other("something was noted in between: once more");
            return Err(noted.into());
        }
        self.account().handle_gap(newest, people);
        Ok(())
    }

    /// Returns when the connection has broken or fallen silent, or somebody asks for another look; always after everything
    /// that has arrived is read.
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

    /// Reads what a node has sent before it died or was left.
    async fn hear_out(&self, notes: &mut PubSubStream) {
        let all = async {
            while let Ok(Some(note)) = tokio::time::timeout(SILENCE, notes.next()).await {
                self.heard(&note);
            }
        };
        // A node that goes on talking is left all the same: the rest is in its stream.
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

    /// Where everyone stands, and after which note.
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
            // Who waits although inside counts as waiting: that is the place too many.
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

    /// Compares as soon as the notes and Redis speak of the same moment; `None` if Redis does not answer.
    async fn compare(&self) -> Option<FinalDoors> {
        loop {
            let (newest, people) = self.standing().await.ok()?;
            {
                let account = self.account();
                // Without a stream, which may have been evicted, there is nothing to wait for.
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
