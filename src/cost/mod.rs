//! What a run and a month cost: prices with their sources, a meter, and a statement that is added up.
//!
//! ```text
//! PriceBook ──────────────┐
//! Meter ─Usage─▶ quantities ─▶ Statement ─▶ compared with the documented month (A24)
//! ```

pub mod comparison;
pub mod item;
pub mod meter;
pub mod price_book;
mod quantity;
pub mod statement;

pub use meter::{LoadSample, Meter, Usage};
pub use price_book::PriceBook;
pub use statement::{Sales, Statement};
