//! The engine held against mathematics: queues whose figures theory knows exactly, simulated with the engine's own
//! calendar, stations and random streams.
//!
//! Each case is simulated in independent replications. A figure holds when the exact value is inside the confidence
//! interval (Student's t over the replications; 1 % is the probability that *any* figure of a run of the suite is missed by
//! chance) and the interval's half-width is at most 1 % of the value, 2 % for tails: a wide interval proves nothing.
//! Steady states are replications that leave out the first tenth, which is far longer than these queues need to forget that
//! they were empty; transients and fluid limits are terminating runs, from their start to their end.

mod arrivals;
mod case;
mod cases;
mod formula;
mod interval;
mod ledger;
mod parameter;
mod queue;
mod suite;

pub use case::{Case, Question};
pub use cases::{CASES, named, questions};
pub use interval::{Precision, Verdict};
pub use parameter::{Legal, Parameter, Problem, Values};
pub use suite::{Compared, Outcome, Settings, run};
