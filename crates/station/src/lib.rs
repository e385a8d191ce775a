//! Queueing stations without a clock, and the service times of a back end.
//!
//! The same station type is the virtual CPU of an emulated instance under real traffic and of a simulated one in virtual
//! time. Time is an argument: nanoseconds of scenario time since the start of the run. The caller keeps the [`calendar`] of
//! future events.
//!
//! | Station | Discipline | What the caller must report |
//! |---|---|---|
//! | [`Fifo`] | first come, first served; no limit, no abandonment | nothing: the completion time is known on arrival |
//! | [`Line`] | first come, first served with a limit and patience | completions, deadlines |
//! | [`Priority`] | priority classes, non-preemptive | completions |
//! | [`Sharing`] | processor sharing on several cores | the next completion, rescheduled when it moves |
//! | [`Gate`] | batch admission | the openings |

pub mod calendar;
mod fifo;
mod gate;
mod line;
mod priority;
mod profile;
mod sharing;
mod stress;
mod time;

pub use fifo::Fifo;
pub use gate::Gate;
pub use line::{Arrival, Line, Started, Ticket};
pub use priority::Priority;
pub use profile::{Latency, Profile, ServiceTimes, Work};
pub use sharing::{Done, Due, Epoch, Sharing};
pub use stress::Stress;
pub use time::SimTime;
