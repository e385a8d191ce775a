//! The command line of `tiketi-sim`, as a library, so that tests can call it.

pub mod cli;
