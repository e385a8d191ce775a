//! One part of the data tier: a primary and its second, and what orders and faults make of them.
//!
//! A loss happens at once. What takes time happens in tasks, one after the other.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tiketi_stores::{PostgresPair, PostgresSample, RedisPair, RedisSample, StoresError};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tokio::task::JoinHandle;

use crate::data_tier::Endpoints;
use crate::data_tier::probe::Eyes;
use crate::data_tier::record::Record;
use tiketi_core::units::{DataTierPart, SimTime, ZoneId};

/// Wall time between two measurements of a pair.
const MEASURE_EVERY: Duration = Duration::from_millis(250);

/// Turns that tasks which were under way get to end before their pair is ended all the same.
const TURNS_MAX: u32 = 1_000;

/// The first failure of a server that no fault explains.
pub(super) type Broken = Arc<OnceLock<Arc<StoresError>>>;

/// What the parts share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) endpoints: Endpoints,
    pub(super) eyes: Arc<Eyes>,
    pub(super) broken: Broken,
}

/// One part: its pair of servers, and where they are.
pub(super) struct Part<P> {
    pair: Arc<Mutex<P>>,
    sites: Vec<Site>,
    /// Site of the primary as far as orders have gone; `None` while there is none.
    primary: Option<usize>,
    /// Whoever waits for the pair rings here, so that a measurement gives way.
    wanted: Arc<Notify>,
    shared: Shared,
    measuring: JoinHandle<()>,
}

/// A place for one server.
#[derive(Clone, Copy, Debug)]
struct Site {
    zone: ZoneId,
    /// Whether a server may run there: its zone has power, and no fault keeps it away.
    is_open: bool,
    /// Whether a server was told to run there.
    is_manned: bool,
}

/// What both parts can do; the sites are those of [`Part`].
pub(super) trait Pair: Send + 'static {
    const PART: DataTierPart;
    fn lose(&mut self, site: usize);
    fn promote(&mut self, site: usize) -> impl Future<Output = Result<(), StoresError>> + Send;
    fn restore(&mut self, site: usize) -> impl Future<Output = Result<(), StoresError>> + Send;
    fn pause(&mut self, site: usize);
    fn resume(&mut self, site: usize);
    fn check(&mut self) -> Result<(), StoresError>;
    fn stop(self) -> impl Future<Output = ()> + Send;
    /// Takes a sample, and notes it.
    fn measure(&self, eyes: &Eyes) -> impl Future<Output = ()> + Send;
}

/// Both pairs have the same methods; a macro writes down that they do.
macro_rules! pair {
    ($pair:ty, $part:expr, $note:expr) => {
        impl Pair for $pair {
            const PART: DataTierPart = $part;

            fn lose(&mut self, site: usize) {
                self.lose(site);
            }

            async fn promote(&mut self, site: usize) -> Result<(), StoresError> {
                self.promote(site).await
            }

            async fn restore(&mut self, site: usize) -> Result<(), StoresError> {
                self.restore(site).await
            }

            fn pause(&mut self, site: usize) {
                self.pause(site);
            }

            fn resume(&mut self, site: usize) {
                self.resume(site);
            }

            fn check(&mut self) -> Result<(), StoresError> {
                self.check()
            }

            async fn stop(self) {
                self.stop().await;
            }

            async fn measure(&self, eyes: &Eyes) {
                // Nobody can be asked while there is no primary, or while it is stopped.
                if let Ok(sample) = self.sample().await {
                    $note(&sample, &mut eyes.record());
                }
            }
        }
    };
}

pair!(RedisPair, DataTierPart::Redis, note_redis);
pair!(PostgresPair, DataTierPart::Database, note_database);

fn note_redis(sample: &RedisSample, record: &mut Record) {
    if let Some(lag) = sample.replica_lag {
        record.handle_lag(DataTierPart::Redis, lag);
    }
    let levels = record.levels();
    levels.redis_memory_peak = levels.redis_memory_peak.max(sample.memory_used_bytes);
    levels.redis_memory_max = sample.memory_max_bytes.unwrap_or(0);
    levels.redis_writes_refused = sample.writes_refused;
}

fn note_database(sample: &PostgresSample, record: &mut Record) {
    if let Some(lag) = sample.replica_lag {
        record.handle_lag(DataTierPart::Database, lag);
    }
    let levels = record.levels();
    let connections = u32::try_from(sample.connections).unwrap_or(u32::MAX);
    levels.database_connections_peak = levels.database_connections_peak.max(connections);
}

impl<P: Pair> Part<P> {
    pub(super) fn new(pair: P, zones: &[ZoneId], shared: Shared) -> Self {
        let site = |&zone: &ZoneId| Site {
            zone,
            is_open: true,
            is_manned: true,
        };
        let (pair, wanted) = (Arc::new(Mutex::new(pair)), Arc::new(Notify::new()));
        let measuring = measure(
            Arc::clone(&pair),
            Arc::clone(&wanted),
            Arc::clone(&shared.eyes),
        );
        Self {
            pair,
            sites: zones.iter().map(site).collect(),
            primary: Some(0),
            wanted,
            shared,
            measuring: tokio::spawn(measuring),
        }
    }

    /// Site of the primary; `None` while there is none.
    pub(super) const fn primary(&self) -> Option<usize> {
        self.primary
    }

    /// Does something to the pair: at once, or as soon as what is under way has ended.
    pub(super) fn with(&self, act: impl FnOnce(&mut P) + Send + 'static) {
        if let Ok(mut pair) = self.pair.try_lock() {
            act(&mut pair);
            return;
        }
        let pair = self.pair_in_turn();
        tokio::spawn(async move { act(&mut *pair.await) });
    }

    /// The pair as soon as whatever is under way has ended; who asks first is served first.
    fn pair_in_turn(&self) -> impl Future<Output = OwnedMutexGuard<P>> + Send + use<P> {
        self.wanted.notify_waiters();
        Arc::clone(&self.pair).lock_owned()
    }

    fn site_in(&self, zone: ZoneId) -> Option<usize> {
        self.sites.iter().position(|site| site.zone == zone)
    }

    /// Takes the server in `zone`, if there is one; nothing runs there until [`Self::open`].
    pub(super) fn close(&mut self, now: SimTime, zone: ZoneId) {
        let Some(site) = self.site_in(zone) else {
            return;
        };
        self.sites[site].is_open = false;
        self.sites[site].is_manned = false;
        self.with(move |pair| pair.lose(site));
        if self.primary == Some(site) {
            self.primary = None;
            self.shared.eyes.handle_lost(P::PART, zone, now);
        }
    }

    /// Servers may run in `zone` again: one that follows the primary starts, as soon as there is a primary.
    pub(super) fn open(&mut self, zone: ZoneId) {
        let Some(site) = self.site_in(zone) else {
            return;
        };
        self.sites[site].is_open = true;
        self.man_open_sites();
    }

    /// Makes the server in `zone` the primary.
    pub(super) fn promote(&mut self, zone: ZoneId) {
        let Some(site) = self.site_in(zone).filter(|site| self.sites[*site].is_open) else {
            return;
        };
        let was_manned = std::mem::replace(&mut self.sites[site].is_manned, true);
        self.primary = Some(site);
        let pair = self.pair_in_turn();
        let Shared {
            endpoints, eyes, ..
        } = self.shared.clone();
        self.attempt(async move {
            let mut pair = pair.await;
            if was_manned {
                pair.promote(site).await?;
            } else {
                // Nobody else was there: the lost one itself starts again.
                pair.restore(site).await?;
            }
            drop(pair);
            endpoints.point(P::PART, zone);
            eyes.handle_promoted(P::PART, zone).await;
            Ok(())
        });
        self.man_open_sites();
    }

    /// Starts a replica at each open site without a server.
    fn man_open_sites(&mut self) {
        if self.primary.is_none() {
            return;
        }
        for site in 0..self.sites.len() {
            let place = &mut self.sites[site];
            if !place.is_open || std::mem::replace(&mut place.is_manned, true) {
                continue;
            }
            let pair = self.pair_in_turn();
            self.attempt(async move { pair.await.restore(site).await });
        }
    }

    /// Kills the server that takes writes; its site stays closed until [`Self::open`].
    pub(super) fn close_primary(&mut self, now: SimTime) {
        if let Some(site) = self.primary {
            self.close(now, self.sites[site].zone);
        }
    }

    /// Ends the stay of servers that a fault kept away.
    pub(super) fn open_all(&mut self) {
        for site in &mut self.sites {
            site.is_open = true;
        }
        self.man_open_sites();
    }

    pub(super) fn pause_primary(&self) {
        if let Some(site) = self.primary {
            self.with(move |pair| pair.pause(site));
        }
    }

    pub(super) fn resume_all(&self) {
        for site in 0..self.sites.len() {
            self.with(move |pair| pair.resume(site));
        }
    }

    /// Carries out what takes time; an error makes the testbed unsound.
    fn attempt(&self, work: impl Future<Output = Result<(), StoresError>> + Send + 'static) {
        let broken = Arc::clone(&self.shared.broken);
        tokio::spawn(async move {
            if let Err(error) = work.await {
                broken.get_or_init(|| Arc::new(error));
            }
        });
    }

    /// Notes servers that ended unbidden, unless something is under way that may explain it.
    pub(super) fn check(&self) {
        if let Ok(mut pair) = self.pair.try_lock()
            && let Err(error) = pair.check()
        {
            self.shared.broken.get_or_init(|| Arc::new(error));
        }
    }

    pub(super) async fn stop(self) {
        self.measuring.abort();
        // It ends cancelled, as it was told.
        drop(self.measuring.await);
        let mut turns = 0;
        while Arc::strong_count(&self.pair) > 1 && turns < TURNS_MAX {
            drop(Arc::clone(&self.pair).lock_owned().await);
            tokio::task::yield_now().await;
            turns += 1;
        }
        // Tasks that were under way have ended with their turn: nobody else has the pair.
        if let Some(pair) = Arc::into_inner(self.pair) {
            pair.into_inner().stop().await;
        }
    }
}

/// Measures the pair again and again, and gives way to whoever wants to do something with it.
async fn measure<P: Pair>(pair: Arc<Mutex<P>>, wanted: Arc<Notify>, eyes: Arc<Eyes>) {
    loop {
        tokio::time::sleep(MEASURE_EVERY).await;
        let pair = pair.lock().await;
        tokio::select! {
            biased;
            () = wanted.notified() => {}
            () = pair.measure(&eyes) => {}
        }
    }
}
