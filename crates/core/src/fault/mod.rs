//! Planned faults: what breaks, and when. Pure, in scenario time.

pub mod catalog;
pub mod schedule;

pub use schedule::{Schedule, Strike, StrikeKind};
