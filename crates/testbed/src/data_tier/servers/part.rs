//! One part of the data tier: a primary and its replica, and how orders and faults change them.
//!
//! A loss takes effect at once. What takes time runs in tasks, one after the other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tiketi_stores::{PostgresPair, PostgresSample, RedisPair, RedisSample, StoresError};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tokio::task::JoinHandle;

use crate::data_tier::Endpoints;
use crate::data_tier::probe::Eyes;
use crate::data_tier::record::Record;
use crate::deaf::DeadAddress;
use tiketi_core::fault::catalog::Connections;
use tiketi_core::units::{DataTierPart, SimTime, ZoneId};

/// Real time between two measurements of a pair.
const MEASURE_EVERY: Duration = Duration::from_millis(250);

/// How often tasks in progress get a turn to finish before their pair is stopped anyway.
const TURNS_MAX: u32 = 1_000;

/// Attempts to take over the address of a server that was killed.
const DEAD_TRIES: u32 = 50;
/// Real time between two of them.
const DEAD_PAUSE: Duration = Duration::from_millis(2);

/// The first failure of a server that no fault explains.
pub(super) type Broken = Arc<OnceLock<Arc<StoresError>>>;

/// Shared by both parts.
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
    /// Site of the primary after all orders so far; `None` while there is none.
    primary: Option<usize>,
    /// Notified by tasks that need the pair, so that a measurement in progress stops.
    wanted: Arc<Notify>,
    shared: Shared,
    /// Real time after which the keep-alive of clients breaks their connections to a silent server; `None` without one.
    keep_alive: Option<Duration>,
    /// What ends the connections to a silent server of each site.
    keep_alives: BTreeMap<usize, JoinHandle<()>>,
    measuring: JoinHandle<()>,
}

/// A place where one server can run.
#[derive(Clone, Copy, Debug)]
struct Site {
    zone: ZoneId,
    /// Whether a server may run there: its zone is up, and no fault prevents it.
    is_open: bool,
    /// Whether a server was started there.
    is_manned: bool,
}

/// The operations that both pairs have; sites are those of [`Part`].
pub(super) trait Pair: Send + 'static {
    const PART: DataTierPart;
    fn address(&self, site: usize) -> SocketAddr;
    fn lose(&mut self, site: usize);
    fn silence(&mut self, site: usize);
    fn end_silence(&mut self, site: usize);
    fn promote(&mut self, site: usize) -> impl Future<Output = Result<(), StoresError>> + Send;
    fn restore(&mut self, site: usize) -> impl Future<Output = Result<(), StoresError>> + Send;
    fn pause(&mut self, site: usize);
    fn resume(&mut self, site: usize);
    fn check(&mut self) -> Result<(), StoresError>;
    fn stop(self) -> impl Future<Output = ()> + Send;
    /// Takes a sample, and records it.
    fn measure(&self, eyes: &Eyes) -> impl Future<Output = ()> + Send;
}

/// Implements [`Pair`] for a type that has the same methods.
macro_rules! pair {
    ($pair:ty, $part:expr, $note:expr) => {
        impl Pair for $pair {
            const PART: DataTierPart = $part;

            fn address(&self, site: usize) -> SocketAddr {
                self.address(site)
            }

            fn lose(&mut self, site: usize) {
                self.lose(site);
            }

            fn silence(&mut self, site: usize) {
                self.silence(site);
            }

            fn end_silence(&mut self, site: usize) {
                self.end_silence(site);
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
    let readings = record.sampled();
    readings.redis_memory = Some(sample.memory_used_bytes);
    readings.redis_refused = Some(sample.writes_refused);
}

fn note_database(sample: &PostgresSample, record: &mut Record) {
    if let Some(lag) = sample.replica_lag {
        record.handle_lag(DataTierPart::Database, lag);
    }
    let levels = record.levels();
    let connections = u32::try_from(sample.connections).unwrap_or(u32::MAX);
    levels.database_connections_peak = levels.database_connections_peak.max(connections);
    record.sampled().connections = Some(connections);
}

impl<P: Pair> Part<P> {
    pub(super) fn new(
        pair: P,
        zones: &[ZoneId],
        shared: Shared,
        keep_alive: Option<Duration>,
    ) -> Self {
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
            keep_alive,
            keep_alives: BTreeMap::new(),
            measuring: tokio::spawn(measuring),
        }
    }

    /// Returns the site of the primary; `None` while there is none.
    pub(super) const fn primary(&self) -> Option<usize> {
        self.primary
    }

    /// Applies `act` to the pair: at once, or as soon as the work in progress has ended.
    pub(super) fn with(&self, act: impl FnOnce(&mut P) + Send + 'static) {
        if let Ok(mut pair) = self.pair.try_lock() {
            act(&mut pair);
            return;
        }
        let pair = self.pair_in_turn();
        tokio::spawn(async move { act(&mut *pair.await) });
    }

    /// Returns the pair as soon as the work in progress has ended, first come, first served.
    fn pair_in_turn(&self) -> impl Future<Output = OwnedMutexGuard<P>> + Send + use<P> {
        self.wanted.notify_waiters();
        Arc::clone(&self.pair).lock_owned()
    }

    fn site_in(&self, zone: ZoneId) -> Option<usize> {
        self.sites.iter().position(|site| site.zone == zone)
    }

    /// Takes the server in `zone`, if there is one; nothing runs there until [`Self::open`].
    pub(super) fn close(&mut self, now: SimTime, zone: ZoneId, connections: Connections) {
        let Some(site) = self.site_in(zone) else {
            return;
        };
        let was_manned = self.sites[site].is_manned;
        self.sites[site].is_open = false;
        self.sites[site].is_manned = false;
        match connections {
            Connections::Silent => {
                self.with(move |pair| pair.silence(site));
                if let Some(after) = self.keep_alive.filter(|_| was_manned) {
                    let broken = break_connections(Arc::clone(&self.pair), site, after);
                    self.keep_alives.insert(site, tokio::spawn(broken));
                }
            }
            Connections::Reset => self.with(move |pair| pair.lose(site)),
        }
        if self.primary == Some(site) {
            self.primary = None;
            self.shared.eyes.handle_lost(P::PART, zone, now);
        }
    }

    /// Lets servers run in `zone` again: a replica starts there as soon as there is a primary.
    pub(super) fn open(&mut self, zone: ZoneId) {
        let Some(site) = self.site_in(zone) else {
            return;
        };
        self.sites[site].is_open = true;
        self.free_addresses();
        self.man_open_sites();
    }

    /// Gives the addresses of silent servers back that may run again.
    fn free_addresses(&mut self) {
        let sites = &self.sites;
        for (_, broken) in self
            .keep_alives
            .extract_if(.., |site, _| sites[*site].is_open)
        {
            broken.abort();
        }
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
                // There was no other member: the lost primary itself starts again.
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

    /// Kills the primary; its site stays closed until [`Self::open`].
    pub(super) fn close_primary(&mut self, now: SimTime) {
        if let Some(site) = self.primary {
            self.close(now, self.sites[site].zone, Connections::Reset);
        }
    }

    /// Lets servers run at all sites again.
    pub(super) fn open_all(&mut self) {
        for site in &mut self.sites {
            site.is_open = true;
        }
        self.free_addresses();
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

    /// Runs `work` in a task; an error makes the testbed unsound.
    fn attempt(&self, work: impl Future<Output = Result<(), StoresError>> + Send + 'static) {
        let broken = Arc::clone(&self.shared.broken);
        tokio::spawn(async move {
            if let Err(error) = work.await {
                broken.get_or_init(|| Arc::new(error));
            }
        });
    }

    /// Checks for servers that ended unexpectedly, unless work is in progress that may explain it.
    pub(super) fn check(&self) {
        if let Ok(mut pair) = self.pair.try_lock()
            && let Err(error) = pair.check()
        {
            self.shared.broken.get_or_init(|| Arc::new(error));
        }
    }

    pub(super) async fn stop(self) {
        for broken in self.keep_alives.into_values() {
            broken.abort();
            // The task was aborted: its result says nothing.
            drop(broken.await);
        }
        self.measuring.abort();
        // The task was aborted: its result says nothing.
        drop(self.measuring.await);
        let mut turns = 0;
        while Arc::strong_count(&self.pair) > 1 && turns < TURNS_MAX {
            drop(Arc::clone(&self.pair).lock_owned().await);
            tokio::task::yield_now().await;
            turns += 1;
        }
        // Tasks that were in progress have had their turn and ended, so this is the last reference.
        if let Some(pair) = Arc::into_inner(self.pair) {
            pair.into_inner().stop().await;
        }
    }
}

/// Ends a silent server when the keep-alive of its clients would break their connections; until then they hang. Afterwards
/// nothing answers at its address.
async fn break_connections<P: Pair>(pair: Arc<Mutex<P>>, site: usize, after: Duration) {
    tokio::time::sleep(after).await;
    let address = {
        let mut pair = pair.lock().await;
        pair.end_silence(site);
        pair.address(site)
    };
    drop(pair);
    let mut tries = 0;
    let _dead = loop {
        match DeadAddress::take(address) {
            Ok(dead) => break Some(dead),
            // A killed server needs a moment to go.
            Err(_) if tries < DEAD_TRIES => tries += 1,
            Err(error) => {
                tracing::warn!(%error, %address, "connections to the lost server are refused");
                break None;
            }
        }
        tokio::time::sleep(DEAD_PAUSE).await;
    };
    std::future::pending::<()>().await;
}

/// Measures the pair again and again; stops a measurement when a task needs the pair.
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
