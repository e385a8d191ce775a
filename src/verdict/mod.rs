//! What the measurements mean: gates, targets, audits, validity.
