//! What all tiers of a case have in common: settings, shows and users.

use std::time::Duration;

use uuid::Uuid;

use super::command::{ACTIVE_MAX, IDLE_TIMEOUT, SEATS, SHOWS};
use crate::settings::Settings;
use crate::show::{Section, Show, StandingArea};
use crate::tier::database::Credential;

/// The settings that all tiers of a case share.
pub(super) fn settings() -> Settings {
    Settings {
        active_max: ACTIVE_MAX,
        idle_timeout: IDLE_TIMEOUT,
        pool_max: 1,
        // Real time, and generous: a busy machine must not look like a difference.
        pool_connect_timeout: Duration::from_secs(10),
        ..Settings::default()
    }
}

/// The shows on sale: seats for fewer people than there are, and few tickets without a seat.
pub(super) fn shows() -> Vec<Show> {
    let show = |number: usize| {
        let section = Section {
            name: "VIP".to_owned(),
            rows: 1,
            seats_per_row: SEATS,
            price: 150_000,
        };
        let area = |name: &str, quantity, price| StandingArea {
            name: name.to_owned(),
            quantity,
            price,
        };
        let standing = vec![area("Floor", 5, 80_000), area("Balcony", 3, 60_000)];
        Show::new(format!("Night {number}"), vec![section]).with_standing(standing)
    };
    (0..SHOWS).map(show).collect()
}

/// Returns the id of a user.
pub(super) fn user(number: usize) -> Uuid {
    Uuid::from_u128(100 + number as u128)
}

/// Returns the key of a cached body.
pub(super) fn cache_key(key: usize) -> String {
    format!("event:{key}")
}

/// Returns the registration of a user.
pub(super) fn credential(number: usize) -> Credential {
    Credential {
        id: Uuid::nil(),
        email: format!("buyer-{number}@example.com"),
        name: "Kim".to_owned(),
        phone: None,
        password_hash: "$2b$10$hash".to_owned(),
    }
}
