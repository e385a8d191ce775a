//! What came out: observations are folded into [`Measurements`], which both engines return.
//!
//! A load process folds its observations with a [`Recorder`] and sends a [`Frame`] about each second; the supervisor
//! puts the frames of all processes, the notices of the control plane and the gauges of the system together with an
//! [`Assembly`]. Nothing here keeps single observations: memory does not grow with the length of a run.

pub mod archive;
pub mod assembly;
pub mod ending;
#[cfg(any(test, feature = "example"))]
pub mod example;
pub mod gauges;
pub mod histogram;
pub mod measurements;
mod pairs;
pub mod recorder;
pub mod series;
pub mod tally;

pub use assembly::Assembly;
pub use ending::{Ending, Engine};
pub use gauges::Gauges;
pub use measurements::Measurements;
pub use recorder::{Frame, Recorder};
