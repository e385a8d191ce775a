//! Settings of a deployment. The defaults are the documented values.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clients::Clients;
use crate::sources::Sources;
use tiketi_outbound::Attempts;
use tiketi_station::Profile;

/// Settings of a deployment, the same for all its instances.
///
/// All durations are scenario time: at `speed` 5, a hold of 300 s lasts 60 s of real time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Maximum number of active users of one show; the others wait.
    pub active_max: u32,
    /// Interval between two admissions from the waiting room.
    pub admit_every: Duration,
    /// Time without a request after which an active user loses the shopping slot.
    pub idle_timeout: Duration,
    /// Minimum time between two `queue-updated` messages of one show.
    pub update_every: Duration,
    /// Lifetime of an unpaid seat hold.
    pub hold: Duration,
    /// TTL of a session, counted from its last change (B8).
    pub session_ttl: Duration,
    /// TTL of the cached list of shows.
    pub show_list_ttl: Duration,
    /// TTL of the cached details of a show.
    pub show_detail_ttl: Duration,
    /// Requests per user and minute (B8); `None` means no limit.
    pub rate_limit: Option<u32>,
    /// Maximum number of database connections of one instance (B6).
    pub pool_max: u32,
    /// How long a request waits for a database connection before it fails with 503 (B6).
    pub pool_connect_timeout: Duration,
    /// Time after which an idle database connection is closed (B6).
    pub pool_idle_timeout: Duration,
    /// How long a connection to a database lasts that has fallen silent. Embedded tier only: with servers, the kernel's
    /// keep-alive ends it.
    pub pool_keep_alive: Duration,
    /// Timeout of a Redis command (an assumption: the same as the wait for a database connection).
    pub redis_timeout: Duration,
    /// Time from the query of a writing transaction until its commit is durable. Embedded tier only.
    pub commit_time: Duration,
    /// The payment provider.
    pub provider: Provider,
    /// What happens to the receipt of a paid order.
    pub receipts: Receipts,
    /// Interval between two Engine.IO pings.
    pub ping_interval: Duration,
    /// Time without a pong after which a socket is closed.
    pub ping_timeout: Duration,
    /// Shared secret of the HS256 tokens.
    pub jwt_secret: String,
    /// Lifetime of a token that `login` or `register` issues.
    pub token_ttl: Duration,
    /// Whether to accept a token with a valid signature if its user is unknown, as virtual buyers need, instead of
    /// responding with 401.
    pub trust_tokens: bool,
    /// Where users wait until they may shop.
    pub room: RoomAt,
    /// Who may open connections.
    pub sources: Sources,
    /// The clients of the instances, and their limits.
    pub clients: Clients,
    /// Speed of scenario time relative to real time.
    pub speed: f64,
    /// Service times of the emulated instance.
    pub profile: Profile,
    /// Increment of the `nice` value of an instance's thread. A positive value lets a load generator on the same machine
    /// send on time.
    pub niceness: i32,
    /// Seed of the provider's times, which makes runs reproducible.
    pub seed: u64,
}

/// Where users wait until they may shop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoomAt {
    /// Here, with the queue in Redis. Everybody is served; the client decides to wait.
    #[default]
    Application,
    /// In front of the server, which has no routes for the queue and serves seats and payments to users with a pass only.
    Edge {
        /// The secret that signs passes.
        secret: String,
        /// Address to which the instance reports who is active and who has paid.
        store: SocketAddr,
        /// How long a pass is valid.
        pass_life: Duration,
    },
}

/// The payment provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Built into the server: it authorizes every payment, after a time that is uniformly distributed.
    BuiltIn {
        /// The shortest time.
        shortest: Duration,
        /// The longest time.
        longest: Duration,
    },
    /// A server that is called over HTTP.
    Remote {
        /// Where it is, seen from the instance.
        address: SocketAddr,
        /// How a call is repeated, always with the same idempotency key.
        attempts: Attempts,
    },
}

/// Times of the API contract.
impl Default for Provider {
    fn default() -> Self {
        Self::BuiltIn {
            shortest: Duration::from_millis(500),
            longest: Duration::from_millis(1_500),
        }
    }
}

impl Provider {
    /// Returns the longest time that a payment can be at the provider.
    pub(crate) fn longest(&self) -> Duration {
        match self {
            Self::BuiltIn { longest, .. } => *longest,
            Self::Remote { attempts, .. } => attempts.longest(),
        }
    }
}

/// What happens to the receipt of a paid order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Receipts {
    /// There is none.
    #[default]
    None,
    /// It is uploaded to an object store after the payment has been answered.
    Uploaded {
        /// Where the store is, seen from the instance.
        address: SocketAddr,
        /// Size of a receipt, in bytes.
        bytes: u32,
        /// How an upload is repeated.
        attempts: Attempts,
    },
}

impl Settings {
    /// The default secret, which everybody knows: anyone can sign tokens of any user with it.
    pub const PUBLIC_SECRET: &'static str = "tiketi-development-secret";
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            active_max: 1_000,
            admit_every: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(300),
            update_every: Duration::from_secs(5),
            hold: Duration::from_secs(300),
            session_ttl: Duration::from_secs(3_600),
            show_list_ttl: Duration::from_secs(30),
            show_detail_ttl: Duration::from_secs(10),
            rate_limit: Some(100),
            pool_max: 20,
            pool_connect_timeout: Duration::from_secs(2),
            pool_idle_timeout: Duration::from_secs(30),
            pool_keep_alive: Duration::from_secs(5),
            redis_timeout: Duration::from_secs(2),
            commit_time: Duration::ZERO,
            provider: Provider::default(),
            receipts: Receipts::default(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(60),
            jwt_secret: Self::PUBLIC_SECRET.to_owned(),
            token_ttl: Duration::from_secs(7 * 24 * 3_600),
            trust_tokens: false,
            room: RoomAt::Application,
            sources: Sources::default(),
            clients: Clients::default(),
            speed: 1.0,
            profile: Profile::native(),
            niceness: 0,
            seed: 1,
        }
    }
}
