//! What is asked: a TOML file becomes a [`Plan`] that is valid by construction.

//!
//! ```text
//! text ─▶ document (TOML in layers: flags over file over preset) ─▶ resolve (defaults, names, checks) ─▶ Plan
//!                                                                      └─▶ Diagnostics: every problem at its place
//! ```

pub mod arrival;
pub mod data_tier;
pub mod diagnostic;
pub mod distribution;
pub mod document;
pub mod duration;
pub mod grammar;
mod law;
pub mod objective;
pub mod operation;
mod page;
pub mod plan;
pub mod profile;
mod resolve;
pub mod scaling;
pub mod server_url;
pub mod topology;
pub mod value;
mod write;

pub use arrival::arrival_times;
pub use diagnostic::{Diagnostics, Rendering};
pub use plan::Plan;
pub use resolve::{INSTANCE_CLASSES, Overrides, PRICE_BOOKS, PROFILES, load};
pub use resolve::{name, question};
