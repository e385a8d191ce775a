//! Targets: buyers against small servers of these tests, in real time. The runs take as long as their scenario and need little of the
//! machine.

mod channels;
#[path = "../command/mod.rs"]
mod command;
mod drafted;
mod exec;
mod faults;
#[expect(clippy::unwrap_used, reason = "a panic fails the test")]
mod faulty_target;
#[expect(clippy::unwrap_used, reason = "a panic fails the test")]
mod foreign_servers;
#[expect(
    clippy::disallowed_methods,
    reason = "the server's sessions end in real time, as a target's do"
)]
#[expect(
    clippy::result_large_err,
    reason = "the error is the response, as axum wants it"
)]
#[expect(clippy::unwrap_used, reason = "a panic fails the test")]
mod habit_server;
mod habits;
mod mapped;
mod paths;
#[expect(
    clippy::result_large_err,
    reason = "the error is the response, as axum wants it"
)]
#[expect(clippy::unwrap_used, reason = "a panic fails the test")]
mod push_server;
mod pushed;
#[expect(clippy::unwrap_used, reason = "a panic fails the test")]
mod small_server;
mod staging;
mod tls;
#[expect(clippy::unwrap_used, reason = "a panic fails the test")]
mod tls_front;
mod worker;
