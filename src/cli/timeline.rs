//! `tiketi-sim timeline`: how many instances each scaling policy has in service after the queue crosses its threshold.

use std::fs;
use std::io;
use std::path::Path;

use super::args::TimelineArguments;
use super::draft::Drafts;
use super::exit::{Exit, complain};
use super::{source, summary};
use tiketi_cloud::policy_timeline::{CROSSING, PolicyTimeline, built_in};
use tiketi_core::units::SimTime;
use tiketi_report::page::Page;
use tiketi_report::{html, markdown, policies};
use tiketi_scenario::duration::Written;
use tiketi_scenario::{Overrides, Plan};

/// Prints the table, and writes it with a chart to the folder if there is one.
pub(super) fn timeline(flags: &TimelineArguments) -> Exit {
    match simulated(flags) {
        Ok(timelines) => show(flags, &timelines),
        Err(exit) => exit,
    }
}

fn simulated(flags: &TimelineArguments) -> Result<Vec<PolicyTimeline>, Exit> {
    let plans = match &flags.scenario {
        None => built_in(),
        Some(path) => {
            let plan = source::load(path, &Overrides::default())?;
            vec![(plan.name.clone(), plan)]
        }
    };
    let crossing = flags.at.map_or(CROSSING, |at| SimTime::ZERO + at);
    let simulate = |(name, plan): (String, Plan)| {
        PolicyTimeline::new(&name, &plan, crossing, flags.seeds).ok_or_else(|| {
            complain(
                format_args!("{name}: no policy scales out on queue size, and no scheduled action sets the fleet size"),
                Some("add a policy with `metric = \"queue_size\"`, or an entry to `scaling.scheduled`"),
            );
            Exit::BadScenario
        })
    };
    plans.into_iter().map(simulate).collect()
}

fn show(flags: &TimelineArguments, timelines: &[PolicyTimeline]) -> Exit {
    let page = policies::page(timelines, &run_again(flags));
    let folder = flags.out.as_deref();
    let written = folder.map_or(Ok(()), |folder| write(folder, &page));
    let printed = summary::print(&page, folder.filter(|_| written.is_ok()));
    match (written, folder) {
        (Err(error), Some(folder)) => {
            let folder = folder.display();
            let hint = Some("choose another folder with --out");
            complain(format_args!("cannot write to {folder}: {error}"), hint);
            Exit::BadScenario
        }
        (Ok(()), _) | (Err(_), None) => printed.err().unwrap_or(Exit::Success),
    }
}

fn write(folder: &Path, page: &Page) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut drafts = Drafts::default();
    drafts.add(&folder.join("summary.md"), markdown::render(page))?;
    drafts.add(&folder.join("report.html"), html::render(page))?;
    drafts.commit()
}

/// Returns the command that repeats the simulation.
fn run_again(flags: &TimelineArguments) -> String {
    let scenario = flags.scenario.as_ref();
    let scenario = scenario.map(|path| format!(" {}", path.display()));
    let at = flags.at.map(|at| format!(" --at {}", Written(at)));
    format!(
        "tiketi-sim timeline{}{} --seeds {}",
        scenario.unwrap_or_default(),
        at.unwrap_or_default(),
        flags.seeds
    )
}
