//! What breaks, and when: pure, in scenario time.

pub mod catalog;
pub mod schedule;

pub use schedule::{Schedule, Strike, StrikeKind};
