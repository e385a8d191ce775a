//! `tiketi-sim probe`: sends one buyer to a target, and shows each request, each response and what was understood.

use std::fmt::Write as _;

use super::allow_exec;
use super::args::ProbeArguments;
use super::exit::{Exit, complain};
use super::output;
use super::source;
use super::target;
use tiketi_live::probe::{Exchange, Reached, probe as send_buyer};
use tiketi_live::target::Destination;
use tiketi_scenario::{self as scenario, Overrides, Plan};

/// The scenario of a probe without one: everything as documented, and loopback only.
const NO_SCENARIO: &str = "name = \"probe\"\n";

/// Sends one buyer and shows what happened.
pub(super) fn probe(flags: &ProbeArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &ProbeArguments) -> Result<Exit, Exit> {
    let plan = plan(flags)?;
    let mapping = plan.target.mapping();
    allow_exec::check(&plan, flags.allow_exec)?;
    let credentials = target::credentials(&flags.buyers_of_target, &plan, 1)?;
    let destination = Destination {
        url: flags.target.clone().expect("the argument is required"),
        trust: flags.connection.trust()?,
        http: flags.connection.version(),
        is_owned: flags.i_own_this_target,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            complain(error, None);
            Exit::Inconclusive
        })?;
    let mut printed = Ok(());
    if destination.trust.is_unchecked() {
        printed = output::print("Certificates are not checked (--insecure).\n\n");
    }
    let mut count = 0;
    let mut tell = |exchange: &Exchange| {
        count += 1;
        if printed.is_ok() {
            printed = output::print(written(count, exchange));
        }
    };
    let sent = send_buyer(&destination, &plan, &credentials, flags.limit, &mut tell);
    let reached = runtime.block_on(sent);
    runtime.shutdown_background();
    printed?;
    let reached = reached.map_err(|refusal| target::refused(&refusal))?;
    output::print(format!("\n{}\n", end(&reached, &mapping.name)))?;
    Ok(match reached {
        Reached::Ticket => Exit::Success,
        Reached::StillQueued | Reached::SoldOut | Reached::Stopped(_) => Exit::Inconclusive,
    })
}

fn plan(flags: &ProbeArguments) -> Result<Plan, Exit> {
    let overrides = Overrides {
        api: flags.buyers_of_target.mapping()?,
        ..Overrides::default()
    };
    match &flags.scenario {
        Some(path) => source::load(path, &overrides),
        None => Ok(scenario::load("probe.toml", NO_SCENARIO, &overrides)
            .expect("the preset is a valid scenario")),
    }
}

/// One exchange: the request with `>`, the response with `<`, what it means with `=`.
fn written(number: usize, exchange: &Exchange) -> String {
    let mut text = String::new();
    let mut line = |mark: &str, line: &str| {
        writeln!(text, "{mark} {line}").expect("a string takes everything");
    };
    line(&format!("{number:>2}"), &exchange.role);
    line("   >", &exchange.call);
    for header in &exchange.headers {
        line("   >", header);
    }
    if !exchange.body.is_empty() {
        line("   >", &exchange.body);
    }
    match &exchange.response {
        Ok(answered) => {
            if let Some(status) = answered.status {
                line("   <", &status.to_string());
            }
            for header in &answered.headers {
                line("   <", header);
            }
            if !answered.body.is_empty() {
                line("   <", &answered.body);
            }
        }
        Err(reason) => line("   <", reason),
    }
    match &exchange.understood {
        Ok(meaning) => line("   =", meaning),
        Err(reason) => line("   !", reason),
    }
    text
}

fn end(reached: &Reached, mapping: &str) -> String {
    let what = match reached {
        Reached::Ticket => "The buyer has a ticket.".to_owned(),
        Reached::StillQueued => {
            "The buyer is still in the queue. Give it more time with --limit.".to_owned()
        }
        Reached::SoldOut => "There was nothing left to buy.".to_owned(),
        Reached::Stopped(role) => format!(
            "The buyer got no further than `{role}`. Compare its response with the rows of the API mapping."
        ),
    };
    format!("{what} (API mapping: {mapping})")
}
