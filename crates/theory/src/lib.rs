//! Checks the simulator against queueing theory: queues with exact solutions, simulated with the model's own calendar,
//! stations and random streams.
//!
//! Each case is simulated in independent replications. A metric passes if the exact value is inside the confidence interval
//! and the half-width of the interval is at most 1 % of the value, 2 % for tails; a wider interval proves nothing. The
//! intervals use Student's t over the replications and are simultaneous: with a correct simulator, the probability that
//! *any* metric of a run of the suite is outside is 1 %.
//!
//! The exact values of fluid limits hold for infinitely many buyers. They are compared with what is expected of the finite number
//! that is simulated: the limit and its bias (see [`Limit`]).
//!
//! Steady-state metrics leave out the first tenth of each replication, which is far longer than these queues need to forget
//! that they started empty. Transients and fluid limits are terminating runs, measured from start to end.

mod arrivals;
mod case;
mod cases;
mod formula;
mod interval;
mod ledger;
mod parameter;
mod queue;
mod suite;

pub use case::{Case, CaseSetup, Limit};
pub use cases::{CASES, named, setups};
pub use interval::{Precision, Verdict};
pub use parameter::{Parameter, ParameterError, Range, Values};
pub use suite::{CaseResult, Compared, SuiteSettings, run};
