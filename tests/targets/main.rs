//! Targets: buyers against small servers of these tests, in real time. The runs take as long as their scenario and need little of the
//! machine.

mod channels;
#[path = "../command/mod.rs"]
mod command;
mod drafted;
mod exec;
mod faults;
mod faulty_target;
mod foreign_servers;
#[expect(
    clippy::disallowed_methods,
    reason = "the server's sessions end in real time, as a target's do"
)]
#[expect(
    clippy::result_large_err,
    reason = "the error is the response, as axum wants it"
)]
mod habit_server;
mod habits;
mod mapped;
mod paths;
#[expect(
    clippy::result_large_err,
    reason = "the error is the response, as axum wants it"
)]
mod push_server;
mod pushed;
mod small_server;
mod staging;
mod tls;
mod tls_front;
mod worker;
