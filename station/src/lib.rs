//! Queueing stations without a clock, and the service times of a back end that are booked on them.
//!
//! The same station is the virtual processor of an emulated instance under real traffic, and of a modelled one in
//! virtual time. Time is an argument: nanoseconds of scenario time since the start of the run.

mod fifo;
mod profile;
mod time;

pub use fifo::Fifo;
pub use profile::{Latency, Profile, ServiceTimes, Work};
pub use time::SimTime;
