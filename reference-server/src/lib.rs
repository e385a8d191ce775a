//! The reference ticketing server. It implements the TIKETI wire contract on an in-memory data tier, or on Redis and
//! PostgreSQL.
//!
//! ```text
//! EmbeddedTier ── Cache (Redis role) ── Database (PostgreSQL role) ── Bus
//!      │  shared by all instances of the process; each role can fail over
//!      ▼
//! Instance: one thread, one listener ─▶ HTTP handlers and Socket.IO ─▶ virtual CPU books the service time
//! ```
//!
//! Start an [`EmbeddedTier`] with the [`Show`]s on sale, then any number of [`Instance`]s on it. All durations in
//! [`Settings`] are scenario time, which runs [`Settings::speed`] times as fast as real time.

mod app;
mod auth;
mod body;
mod bus;
mod clients;
mod clock;
mod connection;
mod connections;
mod crash;
mod distance;
mod error;
mod health;
mod instance;
mod metrics;
mod outbound;
mod pass;
mod payments;
mod realtime;
mod reservations;
mod schedule;
mod seats;
mod settings;
mod show;
mod shows;
mod sources;
mod tier;
mod waiting_room;

pub use auth::{TokenReader, mint_token, user_id};
pub use clients::{ClientLimits, Clients};
pub use instance::{Instance, InstanceLoad};
pub use pass::{PASS_COOKIE, Pass, PassKey, pass_cookie};
pub use settings::{Provider, Receipts, RoomAt, Settings};
pub use show::{Section, Show, StandingArea};
pub use sources::Sources;
pub use tier::{
    AdmissionLedger, Capture, Census, DataTier, DatabaseAuditor, DatabaseEndpoint, DatabaseLevels,
    DatabaseState, EmbeddedFigures, EmbeddedLimits, EmbeddedTier, FinalDoors, FinalSeat,
    FinalState, PaidOrder, QueuePlace, QueueStatus, RedisEndpoint, RedisLevels, RedisLoss,
    RedisWitness, SeatState, Secret, ServersConfig, ServersTier, SetupError, TierUse, Unavailable,
    claim_namespace, clear_database, clear_namespace, migrate_database, prepare_database,
};
pub use tiketi_outbound::Attempts;
pub use tiketi_station::{Profile, Work};
pub use waiting_room::{CheckAnswer, StatusAnswer};
