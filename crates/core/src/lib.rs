//! The basics that every other crate uses: quantities with their unit in the type, names of enum values, instance types,
//! the random streams of a run, and the catalog of faults.

pub mod fault;
pub mod instance_class;
pub mod names;
pub mod rng;
pub mod shown;
pub mod units;
