//! `tiketi-sim calibrate`: derives a service-time profile from a live run.

use std::path::Path;

use tiketi_station::Profile;

use super::args::CalibrateArguments;
use super::compare::live_run;
use super::data_tier;
use super::draft;
use super::exit::{Exit, complain};
use super::interrupt::Interrupt;
use super::simulator::Simulator;
use super::{input, output, source};
use tiketi_calibration::{self as calibration, Calibration};
use tiketi_measure::Measurements;
use tiketi_scenario::PROFILES;
use tiketi_verdict::agreement::doubts;

/// Calibrates, writes the profile and prints the remaining error.
pub(super) fn calibrate(flags: &CalibrateArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &CalibrateArguments) -> Result<Exit, Exit> {
    let run = live_run(&flags.run)?;
    trusted(&run.name, &run.measured)?;
    data_tier::admit_modeled(&run.measured.plan)?;
    let mut base = match flags.base.as_deref() {
        Some(base) => named_or_file(base)?,
        None => run.measured.plan.topology.instances.profile.clone(),
    };
    let stem = flags.out.file_stem();
    let base_name = stem.map(|stem| stem.to_string_lossy().into_owned());
    base.source = format!("calibrated from {}, starting with {}", run.name, base.name);
    let interrupt = Interrupt::listen()?;
    let simulator = Simulator::new(&interrupt);
    let mut simulate = |plan: &_| simulator.simulate(plan, flags.quiet).ok();
    let found = calibration::calibrate(&run.measured, &base, &mut simulate);
    let mut found = found.ok_or(Exit::Interrupted)?;
    found.profile.name = base_name.unwrap_or(found.profile.name);
    let text = calibration::to_toml(&found, &run.measured, &run.name);
    write(&flags.out, &text)?;
    if !flags.quiet {
        print(&found, &flags.out)?;
    }
    Ok(Exit::Success)
}

/// Rejects a run whose measurement is unreliable: the profile would reproduce its errors.
fn trusted(name: &str, run: &Measurements) -> Result<(), Exit> {
    match doubts(run).first() {
        None => Ok(()),
        Some(doubt) => {
            complain(
                format_args!("{name}: the measurement is unreliable: {doubt}"),
                Some("run again on a machine with less other load, or with fewer buyers"),
            );
            Err(Exit::Inconclusive)
        }
    }
}

fn named_or_file(base: &str) -> Result<Profile, Exit> {
    match Profile::named(base) {
        Some(profile) => Ok(profile),
        None if input::is_stdin(Path::new(base)) || Path::new(base).exists() => {
            source::profile(Path::new(base))
        }
        None => {
            complain(
                format_args!(
                    "unknown profile `{base}` (expected one of {}, or a file)",
                    PROFILES.join(", ")
                ),
                None,
            );
            Err(Exit::BadScenario)
        }
    }
}

fn write(out: &Path, text: &str) -> Result<(), Exit> {
    draft::write(out, text).map_err(|error| {
        complain(
            format_args!("cannot write the profile: {error}"),
            Some("choose another file with --out"),
        );
        Exit::BadScenario
    })
}

fn print(found: &Calibration, out: &Path) -> Result<(), Exit> {
    let mut lines = vec![found.method.clone()];
    lines.extend(found.residuals.iter().map(ToString::to_string));
    lines.push(format!("profile: {}\n", out.display()));
    output::print(lines.join("\n"))
}
