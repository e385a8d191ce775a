//! The commands of the program's binary: what they print, write and exit with.

mod calibrate;
mod cli;
#[path = "../command/mod.rs"]
mod command;
mod compare;
mod consistency;
mod consistency_of_runs;
mod cost_study;
mod kept_run;
mod map;
mod plan;
mod readme;
mod servers_given;
#[path = "../snapshot/mod.rs"]
mod snapshot;
mod theory;
