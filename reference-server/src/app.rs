//! The state that the handlers of one instance share, and the routes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::auth::TokenCache;
use crate::body::Bodies;
use crate::clients::Door;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::crash::Crash;
use crate::distance::Distance;
use crate::pass::Gate;
use crate::settings::Settings;
use crate::tier::{Cache, DataTier, Database, TierUse};
use crate::{auth, health, metrics, payments, reservations, seats, shows, waiting_room};
use tiketi_station::{Fifo, ServiceTimes, SimTime, Stress, Work};

/// Threads that hash passwords, as many as in Node's pool by default. More would take the processor from everything else.
const HASHERS: usize = 4;

/// One instance of the deployment.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) tier: DataTier,
    pub(crate) cache: Cache,
    pub(crate) database: Database,
    pub(crate) tokens: TokenCache,
    pub(crate) times: ServiceTimes,
    pub(crate) counters: Counters,
    /// Ids of the shows on sale, which do not change while the server runs.
    pub(crate) shows: Vec<Uuid>,
    /// What it has to do with a waiting room at the edge; `None` if users wait here.
    pub(crate) gate: Option<Gate>,
    pub(crate) door: Arc<Door>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) bodies: Bodies,
    pub(crate) crash: Crash,
    /// Payments in progress, which go on when their client hangs up.
    pub(crate) payments: TaskTracker,
    /// One permit per thread that hashes a password.
    pub(crate) hashers: Semaphore,
    /// The paths to the data tier.
    pub(crate) distance: Arc<Distance>,
    cpu: Mutex<Processor>,
}

/// The virtual processor.
#[derive(Debug)]
struct Processor {
    /// A single server, because Node runs JavaScript on one thread.
    queue: Fifo,
    /// Other work on it.
    stress: Stress,
}

/// Counters of one instance.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) sockets: AtomicU64,
    pub(crate) sockets_opened: AtomicU64,
    pub(crate) fan_out_messages: AtomicU64,
    pub(crate) rate_limited: AtomicU64,
    /// Connections refused because their client had too many.
    pub(crate) connections_refused: AtomicU64,
    /// Connections closed because the network does not admit their source.
    pub(crate) strangers_refused: AtomicU64,
    /// Attempts to accept a connection for which there was no open file left.
    pub(crate) out_of_files: AtomicU64,
}

impl App {
    pub(crate) fn new(name: String, tier: DataTier, settings: Settings) -> Self {
        let times = ServiceTimes::of(&settings.profile);
        let clock = tier.clock();
        let distance = Arc::new(Distance::new(settings.seed, &name));
        Self {
            clock,
            cache: tier.cache(&name, &settings).behind(&distance),
            database: tier.database(&settings, times.query).behind(&distance),
            distance,
            name,
            tokens: TokenCache::new(&settings.jwt_secret),
            times,
            counters: Counters::default(),
            shows: tier.shows().iter().map(|show| show.id).collect(),
            gate: Gate::of(&settings.room, clock),
            door: Arc::new(Door::new(settings.clients, settings.rate_limit)),
            connections: Arc::default(),
            bodies: Bodies::default(),
            crash: Crash::default(),
            payments: TaskTracker::new(),
            hashers: Semaphore::new(HASHERS),
            cpu: Mutex::new(Processor {
                queue: Fifo::new(1),
                stress: Stress::default(),
            }),
            tier,
            settings,
        }
    }

    /// Usage of the data tier by this instance; all zeros on the embedded tier, which keeps its own counts.
    pub(crate) fn tier_use(&self) -> TierUse {
        match (&self.cache, &self.database) {
            (Cache::Servers(cache), Database::Servers(database)) => TierUse {
                database_queries: database.queries(),
                ..cache.tier_use()
            },
            _ => TierUse::default(),
        }
    }

    /// Books HTTP work on the virtual processor and returns when it is done.
    pub(crate) async fn work(&self, work: Work) {
        self.spend(self.times.work(work)).await;
    }

    /// Books processor time and returns when it has passed.
    pub(crate) async fn spend(&self, service_time: Duration) {
        if service_time.is_zero() {
            return;
        }
        let done_at = self.book(service_time);
        self.clock.sleep_until(done_at).await;
    }

    /// Virtual processor time spent so far.
    pub(crate) fn cpu_busy(&self) -> Duration {
        self.cpu().queue.busy_until(self.sim_now())
    }

    /// Books processor time; returns when it will have passed.
    pub(crate) fn book(&self, service_time: Duration) -> Duration {
        let mut cpu = self.cpu();
        let taken = cpu.stress.stretch(service_time);
        cpu.queue.book(self.sim_now(), taken).since_start()
    }

    /// From now on, other work takes part of the virtual processor.
    pub(crate) fn handle_stress(&self, stress: Stress) {
        self.cpu().stress = stress;
    }

    fn sim_now(&self) -> SimTime {
        SimTime::ZERO + self.clock.now()
    }

    fn cpu(&self) -> std::sync::MutexGuard<'_, Processor> {
        self.cpu.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// All HTTP routes of the contract. Those of the queue are missing if the waiting room is at the edge.
pub(crate) fn routes(app: Arc<App>) -> Router {
    let queue = match app.gate {
        Some(_) => Router::new(),
        None => Router::new()
            .route("/api/queue/check/{show}", post(waiting_room::check))
            .route("/api/queue/status/{show}", get(waiting_room::status))
            .route("/api/queue/leave/{show}", post(waiting_room::leave))
            .route("/api/queue/admin/{show}", get(waiting_room::admin))
            .route("/api/queue/admin/clear/{show}", post(waiting_room::clear)),
    };
    Router::new()
        .merge(queue)
        .route("/api/auth/register", post(auth::register))
        .route("/api/auth/login", post(auth::login))
        .route("/api/events", get(shows::list))
        .route("/api/events/{show}", get(shows::detail))
        .route("/api/seats/layouts", get(seats::layouts))
        .route("/api/seats/events/{show}", get(seats::list))
        .route("/api/seats/reserve", post(seats::reserve))
        .route("/api/seats/reservation/{id}", get(seats::reservation))
        .route("/api/payments/process", post(payments::process))
        .route("/api/payments/methods", get(payments::methods))
        .route("/api/reservations", post(reservations::create))
        .route("/api/reservations/my", get(reservations::mine))
        .route("/api/reservations/{id}", get(reservations::one))
        .route("/api/reservations/{id}/cancel", post(reservations::cancel))
        .route("/health", get(health::alive))
        .route("/health/db", get(health::database))
        .route("/health/redis", get(health::redis))
        .route("/health/all", get(health::all))
        .route("/metrics", get(metrics::scrape))
        .fallback(crate::error::no_such_route)
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hands;
    use crate::tier::EmbeddedTier;

    #[test]
    fn other_work_on_the_processor_stretches_what_is_booked_from_then_on() {
        let settings = Settings::default();
        let clock = Clock::stopped(Hands::leak());
        let tier = EmbeddedTier::with_clock(&settings, Vec::new(), Duration::ZERO, clock);
        let app = App::new("one".to_owned(), tier.into(), settings);
        let ms = Duration::from_millis;
        assert_eq!(app.book(ms(10)), ms(10));
        app.handle_stress(Stress::taking(0.75));
        assert_eq!(app.book(ms(10)), ms(10 + 40));
        app.handle_stress(Stress::default());
        assert_eq!(app.book(ms(10)), ms(10 + 40 + 10));
    }
}
