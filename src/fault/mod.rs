//! What breaks, and when: pure, in scenario time.

pub mod catalog;
