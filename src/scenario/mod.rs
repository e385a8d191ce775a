//! What is asked: a TOML file becomes a [`Plan`] that is valid by construction.

pub mod arrival;
pub mod distribution;
pub mod objective;
pub mod operation;
pub mod plan;
pub mod scaling;
pub mod topology;

pub use plan::Plan;
