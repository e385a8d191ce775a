//! Impaired paths: the node holds back what passes it for as long as its packets are late.
//!
//! Loopback loses nothing and takes no time. So the node waits before it reads a request on, before it forwards one to another
//! zone, and before it passes a response on. Not delayed: messages on open WebSockets, and the connections of its pools.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiketi_core::impairment::{Impairments, Quality, tcp};
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::ZoneId;

/// Bytes of a buyer's request with its headers (assumption).
const REQUEST_BYTES: u64 = 700;
/// Bytes of a health check or its response.
const CHECK_BYTES: u64 = 200;
/// Resolution of the runtime's timer: waits are rounded to it, so that short ones are right on average.
const TIMER_STEP: Duration = Duration::from_millis(1);

/// The paths of one node process.
#[derive(Debug)]
pub(super) struct Paths {
    zone: ZoneId,
    speed: f64,
    /// Whether any path is impaired. Asked several times per request, and false in most runs.
    is_impaired: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    impairments: Impairments,
    draws: Stream,
}

/// Whether a request uses an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// One that is kept alive.
    Kept,
    /// A new one, as each WebSocket has.
    New,
}

impl Paths {
    /// Clear paths of a node in `zone`; `speed` compresses waits.
    pub(super) fn new(zone: ZoneId, seed: u64, speed: f64) -> Self {
        Self {
            zone,
            speed,
            is_impaired: AtomicBool::new(false),
            state: Mutex::new(State {
                impairments: Impairments::default(),
                draws: Streams::new(seed).named("paths"),
            }),
        }
    }

    /// These are impaired from now on, and no others.
    pub(super) fn set(&self, impairments: Impairments) {
        self.is_impaired
            .store(!impairments.is_empty(), Ordering::Relaxed);
        self.state().impairments = impairments;
    }

    /// Waits until a request of a buyer has arrived.
    pub(super) async fn delay_from_client(&self, connection: Connection) {
        self.wait(|all| all.to_buyers(self.zone), Carried::Request(connection))
            .await;
    }

    /// Waits until a response to a buyer has arrived.
    pub(super) async fn to_client(&self, bytes: u64) {
        self.wait(|all| all.to_buyers(self.zone), Carried::Response(bytes))
            .await;
    }

    /// Waits until a request has arrived at a target in `zone`.
    pub(super) async fn to_target(&self, zone: ZoneId, connection: Connection) {
        self.wait(
            |all| all.between(self.zone, zone),
            Carried::Request(connection),
        )
        .await;
    }

    /// Waits until the response of a target in `zone` has arrived.
    pub(super) async fn delay_from_target(&self, zone: ZoneId, bytes: u64) {
        self.wait(|all| all.between(self.zone, zone), Carried::Response(bytes))
            .await;
    }

    /// Waits as long as a health check of a target in `zone` takes longer than on a clear path.
    pub(super) async fn check(&self, zone: ZoneId) {
        self.wait(|all| all.between(self.zone, zone), Carried::Check)
            .await;
    }

    async fn wait(&self, path: impl Fn(&Impairments) -> Quality, carried: Carried) {
        if !self.is_impaired.load(Ordering::Relaxed) {
            return;
        }
        let late = {
            let mut state = self.state();
            let State { impairments, draws } = &mut *state;
            carried.late(path(impairments), draws)
        };
        let wall = late.div_f64(self.speed);
        if wall >= TIMER_STEP / 2 {
            tokio::time::sleep(wall.saturating_sub(TIMER_STEP / 2)).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What goes over a path.
#[derive(Clone, Copy, Debug)]
enum Carried {
    Request(Connection),
    Response(u64),
    /// A new connection, a request and its response.
    Check,
}

impl Carried {
    /// How much longer it takes than on a clear path.
    fn late(self, path: Quality, draws: &mut Stream) -> Duration {
        match self {
            Self::Request(Connection::Kept) => tcp::transfer(path, REQUEST_BYTES, draws),
            Self::Request(Connection::New) => {
                tcp::handshake(path, draws) + tcp::transfer(path, REQUEST_BYTES, draws)
            }
            Self::Response(bytes) => tcp::transfer(path, bytes, draws),
            Self::Check => {
                tcp::handshake(path, draws) + tcp::exchange(path, (CHECK_BYTES, CHECK_BYTES), draws)
            }
        }
    }
}
