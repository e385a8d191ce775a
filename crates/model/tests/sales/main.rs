//! Simulated sales: what happens to requests, buyers and instances, one subject in each file.

mod access;
mod edge;
mod faults;
mod passing;
mod paths;
mod replacement;
mod room;
mod silence;
mod stale_reads;
