//! Runs on the testbed of this machine, most of them by the program's binary. They share the machine as [`machine`] says.
#![cfg(target_os = "linux")]

mod both_engines;
#[path = "../command/mod.rs"]
mod command;
mod deployment;
mod edge;
mod endings;
mod fleet_processes;
mod machine;
mod one_zone;
mod outbound;
mod processes;
mod servers;
mod silence;
mod validity;
