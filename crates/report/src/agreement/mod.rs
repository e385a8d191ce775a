//! The report of a comparison of runs: [`RunComparison`] for programs, [`page`] for people.

mod charts;
mod document;
mod page;
#[cfg(test)]
mod tests;

pub use document::{ComparedRun, Pair, PairComparison, RunComparison, comparison};
pub use page::page;
