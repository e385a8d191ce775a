//! Tests of the server from outside: real connections to instances on free ports, on either data tier.
//!
//! This is a custom test harness, because all cases on servers share one Redis and one PostgreSQL, which must be gone at the
//! end. Guard processes of this same binary make sure of that even if the process is killed.
//!
//! ```text
//! cargo test -p tiketi-server --test behaviour -- servers::outage
//! ```

#![expect(clippy::unwrap_used, reason = "test helpers fail a test by panicking")]

mod binary;
mod case;
mod common;
mod contract;
mod failover;
mod hostile;
mod outage;
mod passes;
mod realtime;
mod relay;
mod servers;
mod standard_clients;
mod waiting_room;

use std::io::Write as _;
use std::process::ExitCode;

use case::Selected;
use servers::{GUARD, SharedServers};

/// Number of cases that run in parallel: most of the time they wait.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == GUARD) {
        return match tiketi_stores::guard::main() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let cases = [
        binary::CASES,
        contract::CASES,
        failover::CASES,
        hostile::CASES,
        outage::CASES,
        passes::CASES,
        realtime::CASES,
        standard_clients::CASES,
        waiting_room::CASES,
    ];
    let selected = case::select(&cases.concat(), &arguments);
    if arguments.iter().any(|argument| argument == "--list") {
        for case in &selected {
            say(&format!("{}: test", case.name()));
        }
        return ExitCode::SUCCESS;
    }
    run(selected)
}

/// Runs the cases, with servers if one of them needs them.
fn run(mut selected: Vec<Selected>) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let needs_servers = selected.iter().any(Selected::is_on_servers);
    let servers = needs_servers.then(|| runtime.block_on(SharedServers::start()));
    let servers = match servers {
        None => None,
        Some(Ok(servers)) => Some(servers),
        Some(Err(reason)) => {
            let decides = std::env::var("CI").is_ok_and(|value| value == "true");
            say(&format!("SKIPPED: all cases on servers: {reason}"));
            if decides {
                return ExitCode::FAILURE;
            }
            selected.retain(|case| !case.is_on_servers());
            None
        }
    };
    let on = servers.as_ref().map(SharedServers::on);
    let failed = case::run_all(selected, on.as_ref(), AT_ONCE);
    if let Some(servers) = servers {
        runtime.block_on(servers.stop());
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    say(&format!("failed: {}", failed.join(", ")));
    ExitCode::FAILURE
}

/// Prints a message.
fn say(line: &str) {
    // If stdout is closed, there is nowhere left to print.
    drop(writeln!(std::io::stdout(), "{line}"));
}
