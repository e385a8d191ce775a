//! Engine 1: real traffic to a real system, in real time.
//!
//! The supervisor starts load workers ([`load`]), each a process with one thread that runs its share of the buyers
//! ([`worker`]). A buyer is one small future around a [`Journey`](tiketi_buyer::Journey): it sends its requests over the
//! worker's connection pool and keeps one socket of its own.

mod access;
mod account;
mod api;
mod closing;
mod command;
pub mod conductor;
pub mod credential;
mod dialer;
mod driver;
mod edge_way;
pub mod error;
mod fleet_record;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod host;
mod hosts;
mod http;
pub mod http2;
pub mod load;
pub mod observe;
mod pacer;
mod page;
mod preflight;
pub mod probe;
pub mod progress;
mod push;
pub mod reach;
mod redirect;
mod resolver;
mod script;
mod seats;
pub mod self_check;
mod session;
pub mod setup;
mod share;
pub mod signer;
mod site;
mod socket_io;
pub mod sut;
pub mod target;
pub mod tls;
mod tool_watch;
mod visitor;
mod witness;
pub mod worker;
mod world;

pub use tiketi_testbed::clock;
