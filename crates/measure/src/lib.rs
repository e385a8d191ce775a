//! Measures a run: folds observations into [`Measurements`], which both engines return.
//!
//! Each load worker folds its observations with a [`Recorder`] and sends a [`Frame`] about once per second. The supervisor
//! combines the frames of all workers, the notices of the control plane and the gauge readings in an [`Assembly`]. Single
//! observations are never stored, so memory use does not depend on the length of a run.

pub mod admissions;
pub mod archive;
mod assembly;
pub mod command;
pub mod ending;
#[cfg(any(test, feature = "example"))]
pub mod example;
pub mod histogram;
mod measurements;
pub mod observed;
mod pairs;
mod recorder;
pub mod replica_lag;
pub mod series;
mod soundness;
pub mod stall;
pub mod tally;
pub mod target;
mod ticks;
pub mod witness;

pub use assembly::Assembly;
pub use ending::{Ending, Engine};
pub use measurements::Measurements;
pub use recorder::{Frame, Recorder};
pub use tiketi_cloud::gauges;
pub use tiketi_cloud::gauges::Gauges;
