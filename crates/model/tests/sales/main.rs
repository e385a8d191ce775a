//! Simulated sales, and what became of their requests, buyers and instances.

mod access;
mod edge;
mod faults;
mod passing;
mod paths;
mod replacement;
mod room;
mod silence;
mod stale_reads;
