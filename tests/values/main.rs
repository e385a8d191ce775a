//! Values of scenario files: bad ones are rejected with place, value, expected values and a hint; the limits themselves run
//! without a panic and in bounded steps; and what a run keeps as its scenario is the same plan.
//!
//! The cases are generated from the keys that the scenario crate describes, so a new key is tested without a new line here.

mod bad;
mod files;
mod keys;
mod limits;
mod others;
mod round_trip;

/// Of how many generated cases one is tried: seven in quick runs, so that each key gets several kinds of bad values; one if
/// the variable `EVERY_CASE` is set, as `just values` does.
fn stride() -> usize {
    if std::env::var_os("EVERY_CASE").is_some() {
        1
    } else {
        7
    }
}
