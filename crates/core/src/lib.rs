//! What every other crate is built on: quantities with their unit in the type, the random streams of a run, and the
//! catalog of faults. Nothing here reads a clock, a file, a socket or the entropy of the machine.

pub mod fault;
pub mod rng;
pub mod units;
