//! The basics that every other crate uses: quantities with their unit in the type, names of enum values, instance types,
//! the random streams of a run, the catalog of faults, and the delays of impaired paths.

pub mod excerpt;
pub mod fault;
pub mod impairment;
pub mod instance_class;
pub mod names;
pub mod rng;
pub mod shown;
pub mod units;
