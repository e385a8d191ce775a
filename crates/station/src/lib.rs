//! Queueing stations without a clock, and the service times of a back end that are booked on them.
//!
//! The same station is the virtual processor of an emulated instance under real traffic, and of a modelled one in
//! virtual time. Time is an argument: nanoseconds of scenario time since the start of the run.
//!
//! | Station | Discipline | What it needs of the caller |
//! |---|---|---|
//! | [`Fifo`] | first come, first served; no limit, no abandonment | nothing: the end is known on arrival |
//! | [`Line`] | the same with a limit and patience | completions, deadlines |
//! | [`Priority`] | classes, no interruption | completions |
//! | [`Sharing`] | processor sharing on several cores | the next completion, entered anew when it moves |
//! | [`Gate`] | batches at a tick | the ticks |

pub mod calendar;
mod fifo;
mod gate;
mod line;
mod priority;
mod profile;
mod sharing;
mod time;

pub use fifo::Fifo;
pub use gate::Gate;
pub use line::{Arrival, Line, Started, Ticket};
pub use priority::Priority;
pub use profile::{Latency, Profile, ServiceTimes, Work};
pub use sharing::{Done, Due, Epoch, Sharing};
pub use time::SimTime;
