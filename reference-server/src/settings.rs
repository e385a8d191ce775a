//! What an operator can set, with the documented values as defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_station::Profile;

/// Settings of a deployment; every instance of one deployment has the same.
///
/// All durations are scenario time: with `speed` 5 a hold of 300 s lasts 60 s on the wall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Active users of one show beyond whom people wait.
    pub active_max: u32,
    /// Time between two admissions from the waiting room.
    pub admit_every: Duration,
    /// Time without a request after which an active user loses the place.
    pub idle_timeout: Duration,
    /// Shortest time between two `queue-updated` messages of one show.
    pub update_every: Duration,
    /// Life of an unpaid seat hold.
    pub hold: Duration,
    /// Life of a session after its last change (B8).
    pub session_ttl: Duration,
    /// Life of the cached list of shows.
    pub show_list_ttl: Duration,
    /// Life of the cached detail of a show.
    pub show_detail_ttl: Duration,
    /// Requests a user may make in a minute (B8); `None` switches the limit off.
    pub rate_limit: Option<u32>,
    /// Database connections of one instance (B6).
    pub pool_max: u32,
    /// Wait for a database connection after which a request gets 503 (B6).
    pub pool_connect_timeout: Duration,
    /// Time after which an idle database connection is closed (B6).
    pub pool_idle_timeout: Duration,
    /// Time after which a command of Redis is given up (an assumption: as long as the wait for a database connection).
    pub redis_timeout: Duration,
    /// What a transaction that writes takes beyond its query until it is durable, on the embedded tier.
    pub commit_time: Duration,
    /// Shortest and longest time the payment provider takes.
    pub provider_time: (Duration, Duration),
    /// Time between two Engine.IO pings.
    pub ping_interval: Duration,
    /// Time without a pong after which a socket is closed.
    pub ping_timeout: Duration,
    /// Shared secret of the HS256 tokens.
    pub jwt_secret: String,
    /// Life of a token that `login` or `register` issues.
    pub token_ttl: Duration,
    /// Whether the unknown user of a validly signed token is accepted, as virtual buyers need it, instead of 401.
    pub trust_tokens: bool,
    /// Scenario seconds in a wall second.
    pub speed: f64,
    /// Service times of the emulated instance.
    pub profile: Profile,
    /// How far an instance's thread stands back in the operating system's scheduler (the increment of `nice`), so that a
    /// load generator on the same machine sends on time.
    pub niceness: i32,
    /// Seed of the provider's times, so that a run can be repeated.
    pub seed: u64,
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
            redis_timeout: Duration::from_secs(2),
            commit_time: Duration::ZERO,
            provider_time: (Duration::from_millis(500), Duration::from_millis(1_500)),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(60),
            jwt_secret: "tiketi-development-secret".to_owned(),
            token_ttl: Duration::from_secs(7 * 24 * 3_600),
            trust_tokens: false,
            speed: 1.0,
            profile: Profile::native(),
            niceness: 0,
            seed: 1,
        }
    }
}
