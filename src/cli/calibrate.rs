//! `tiketi-sim calibrate`: from a live run to a service-time profile.

use std::io::Write;
use std::path::Path;

use tiketi_station::Profile;

use super::args::CalibrateArguments;
use super::compare::live_run;
use super::data_tier;
use super::exit::{Exit, complain};
use super::player::Player;
use super::source;
use tiketi_calibration::{self as calibration, Calibration};
use tiketi_measure::Measurements;
use tiketi_scenario::PROFILES;
use tiketi_verdict::agreement::doubts;

/// Calibrates, writes the profile, tells what is left of the error.
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
    base.source = format!("calibrated from {}, begun with {}", run.name, base.name);
    let player = Player::new()?;
    let mut play = |plan: &_| player.play(plan, flags.quiet).ok();
    let found = calibration::calibrate(&run.measured, &base, &mut play);
    let mut found = found.ok_or(Exit::Interrupted)?;
    found.profile.name = base_name.unwrap_or(found.profile.name);
    let text = calibration::to_toml(&found, &run.measured, &run.name);
    write(&flags.out, &text)?;
    if !flags.quiet {
        tell(&found, &flags.out);
    }
    Ok(Exit::Success)
}

/// A run whose measurement is in doubt would be learned by heart with its faults.
fn trusted(name: &str, run: &Measurements) -> Result<(), Exit> {
    match doubts(run).first() {
        None => Ok(()),
        Some(doubt) => {
            complain(
                format_args!("{name}: its measurement cannot be trusted: {doubt}"),
                Some("run it again on a quieter machine, or with a smaller crowd"),
            );
            Err(Exit::Inconclusive)
        }
    }
}

fn named_or_file(base: &str) -> Result<Profile, Exit> {
    match Profile::named(base) {
        Some(profile) => Ok(profile),
        None if Path::new(base).exists() => source::profile(Path::new(base)),
        None => {
            complain(
                format_args!(
                    "`{base}` is no profile (legal: {}, or a file)",
                    PROFILES.join(", ")
                ),
                None,
            );
            Err(Exit::BadScenario)
        }
    }
}

fn write(out: &Path, text: &str) -> Result<(), Exit> {
    std::fs::write(out, text).map_err(|error| {
        complain(
            format_args!("{}: cannot be written: {error}", out.display()),
            Some("choose another file with --out"),
        );
        Exit::BadScenario
    })
}

fn tell(found: &Calibration, out: &Path) {
    let mut stdout = std::io::stdout().lock();
    let lines = found.residuals.iter().map(ToString::to_string);
    for line in [found.method.clone()].into_iter().chain(lines) {
        // A reader that closes the pipe early has seen enough.
        let _closed = writeln!(stdout, "{line}");
    }
    let _closed = writeln!(stdout, "profile: {}", out.display());
}
