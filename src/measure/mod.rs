//! What came out: observations are folded into [`Measurements`], which both engines return.

pub mod measurements;
pub mod observation;

pub use measurements::Measurements;
