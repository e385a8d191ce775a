//! Watches real servers of the data tier from outside the instances, as one more client that follows their DNS names.
//!
//! It records who enters and leaves the waiting rooms, sends small writes to see when they fail, reads the levels for the
//! queue monitor, and collects the final state for the audits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tiketi_server::{
    Census, DatabaseAuditor, FinalState, RedisWitness, ServersConfig, SetupError, Show,
};
use tokio::task::AbortHandle;

use super::record::{Beat, Record};
use crate::clock::{unix_now_ns, wall_now};
use crate::lock;
use tiketi_cloud::gauges::PartReadings;
use tiketi_core::units::{DataTierPart, SimTime, ZoneId};
use tiketi_measure::ending::{DataTierFigures, Loss};
use tiketi_measure::stall::Book;

/// Real time between two probe writes.
const BEAT_EVERY: Duration = Duration::from_millis(100);
/// Real time that the end of a run waits to find out what a failover lost.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Probe writes between two readings of the levels.
const BEATS_PER_READING: u32 = 3;

/// The watch over one data tier. It ends when dropped.
pub(crate) struct Watch {
    eyes: Arc<Eyes>,
    tasks: Vec<AbortHandle>,
}

/// Shared by the tasks.
pub(super) struct Eyes {
    witness: RedisWitness,
    auditor: DatabaseAuditor,
    record: Mutex<Record>,
    census: Mutex<Option<Census>>,
    /// Whether it is still unknown what the last failover of Redis lost.
    is_loss_open: AtomicBool,
}

impl Watch {
    /// Opens the witness and the auditor, and starts watching.
    pub(super) async fn begin(
        config: &ServersConfig,
        shows: &[Show],
        speed: f64,
    ) -> Result<Self, SetupError> {
        let ids: Vec<_> = shows.iter().map(|show| show.id).collect();
        let eyes = Arc::new(Eyes {
            witness: RedisWitness::open(config, &ids, speed).await?,
            auditor: DatabaseAuditor::open(config).await?,
            record: Mutex::new(Record::new(speed)),
            census: Mutex::new(None),
            is_loss_open: AtomicBool::new(false),
        });
        let tasks = vec![
            tokio::spawn(watch_redis(Arc::clone(&eyes))).abort_handle(),
            tokio::spawn(watch_database(Arc::clone(&eyes))).abort_handle(),
        ];
        Ok(Self { eyes, tasks })
    }

    /// Returns what the watch shares with other tasks.
    pub(super) fn eyes(&self) -> Arc<Eyes> {
        Arc::clone(&self.eyes)
    }

    /// Returns the buyers in the waiting room, as of a few tenths of a second of real time ago; `None` while Redis does not
    /// answer.
    pub(super) fn waiting(&self) -> Option<u64> {
        self.eyes.waiting()
    }

    /// Returns the levels, as recent as [`Self::waiting`], and the ledger of the waiting rooms.
    pub(super) fn census(&self) -> Census {
        let levels = lock(&self.eyes.census).unwrap_or_default();
        Census {
            ledger: self.eyes.witness.ledger(),
            ..levels
        }
    }

    /// Returns what was measured so far.
    pub(super) fn figures(&self) -> DataTierFigures {
        self.eyes.record().figures()
    }

    /// Returns the last sample of the servers.
    pub(super) fn readings(&self) -> PartReadings {
        self.eyes.record().readings()
    }

    /// Returns when the servers did not answer, and forgets it.
    pub(super) fn take_stalls(&self, now_unix_ns: u64) -> Book {
        self.eyes.record().take_stalls(now_unix_ns)
    }

    /// Returns everything an audit needs.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub(super) async fn final_state(&self) -> Result<FinalState, SetupError> {
        let database = self.eyes.auditor.final_state().await?;
        let doors = if self.eyes.settle().await {
            self.eyes.witness.doors().await
        } else {
            None
        };
        Ok(FinalState {
            seats: database.seats,
            orders: database.orders,
            captures: database.captures,
            ledger: self.eyes.witness.ledger(),
            doors,
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Eyes {
    /// Returns the buyers in the waiting room at the last reading; `None` while Redis does not answer.
    pub(super) fn waiting(&self) -> Option<u64> {
        lock(&self.census).as_ref().map(|census| census.waiting)
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    /// Records that the primary of a part, in `zone`, was lost.
    pub(super) fn handle_lost(&self, part: DataTierPart, zone: ZoneId, now: SimTime) {
        self.record().handle_lost(part, zone, (now, wall_now()));
        if part == DataTierPart::Redis {
            self.witness.handle_lost(self.witness.now());
            self.is_loss_open.store(true, Ordering::Relaxed);
            lock(&self.census).take();
        }
    }

    /// Records that the member in `zone` accepts writes; returns when it is known what was lost.
    pub(super) async fn handle_promoted(&self, part: DataTierPart, zone: ZoneId) {
        self.record().handle_promoted(part, zone, wall_now());
        if part == DataTierPart::Redis {
            self.find_loss().await;
        }
    }

    /// Tries to find out what the last failover lost. Returns whether that is known: an unknown loss must never count as no
    /// loss.
    async fn settle(&self) -> bool {
        if self.is_loss_open.load(Ordering::Relaxed) {
            // After the timeout the loss stays unknown, and with it the state of the waiting rooms.
            drop(tokio::time::timeout(SETTLE_TIMEOUT, self.find_loss()).await);
        }
        !self.is_loss_open.load(Ordering::Relaxed)
    }

    /// Records what the last failover of Redis lost, if its new primary answers.
    async fn find_loss(&self) {
        if let Some(loss) = self.witness.handle_failover().await {
            let loss = Loss {
                places: loss.places,
                places_put_back: loss.places_put_back,
                active_places: loss.active_places,
                sessions: loss.sessions,
                orders: 0,
                reaches_back: Some(loss.reaches_back).filter(|age| !age.is_zero()),
            };
            self.record().handle_loss(DataTierPart::Redis, loss);
            self.is_loss_open.store(false, Ordering::Relaxed);
        }
    }
}

async fn watch_redis(eyes: Arc<Eyes>) {
    for turn in 0_u32.. {
        Box::pin(beat(&eyes, DataTierPart::Redis, eyes.witness.beat())).await;
        if turn.is_multiple_of(BEATS_PER_READING) {
            let levels = Box::pin(probe(&eyes, DataTierPart::Redis, eyes.witness.levels())).await;
            let mut census = lock(&eyes.census);
            *census = levels.map(|levels| Census {
                waiting: levels.waiting,
                active: levels.active,
                ..census.unwrap_or_default()
            });
        }
        tokio::time::sleep(BEAT_EVERY).await;
    }
}

async fn watch_database(eyes: Arc<Eyes>) {
    for turn in 0_u32.. {
        Box::pin(beat(&eyes, DataTierPart::Database, eyes.auditor.beat())).await;
        if turn.is_multiple_of(BEATS_PER_READING)
            && let Some(levels) =
                Box::pin(probe(&eyes, DataTierPart::Database, eyes.auditor.levels())).await
            && let Some(census) = lock(&eyes.census).as_mut()
        {
            census.held = levels.held;
            census.sold = levels.sold;
        }
        tokio::time::sleep(BEAT_EVERY).await;
    }
}

/// Sends something to the server of a part, and records whether it answered.
async fn probe<A>(
    eyes: &Eyes,
    part: DataTierPart,
    ask: impl Future<Output = Option<A>>,
) -> Option<A> {
    eyes.record().handle_sent(part, unix_now_ns());
    let answer = ask.await;
    if answer.is_some() {
        eyes.record().handle_answered(part, unix_now_ns());
    }
    answer
}

/// Sends one probe write, and records its outcome.
async fn beat(eyes: &Eyes, part: DataTierPart, write: impl Future<Output = bool>) {
    let sent_at = wall_now();
    let written = async { write.await.then_some(()) };
    let answered_at = probe(eyes, part, written).await.map(|()| wall_now());
    let beat = Beat {
        sent_at,
        answered_at,
    };
    eyes.record().handle_beat(part, beat);
}
