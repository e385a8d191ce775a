//! What a terminal can show and the user wants to see.

use std::ffi::OsStr;
use std::io::IsTerminal;

/// Returns whether to print colors: on a terminal, unless `NO_COLOR` is set.
pub(super) fn shows_color(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && !is_set("NO_COLOR")
}

/// Returns whether to draw a progress bar: on a terminal that can move its cursor, unless `CI` is set.
pub(super) fn is_live(stream: &impl IsTerminal) -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == OsStr::new("dumb"));
    stream.is_terminal() && !is_dumb && !is_set("CI")
}

/// Returns whether an environment variable is set; by convention, an empty one is not.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}
