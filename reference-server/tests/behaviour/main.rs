//! What the server does, seen from outside: real connections to instances on free ports.

#![expect(
    clippy::unwrap_used,
    reason = "test helpers fail a test by panicking, as the tests do"
)]

mod binary;
mod common;
mod contract;
mod outage;
mod realtime;
mod standard_clients;
mod waiting_room;
