//! The archive of a run: all of its measurements in one file, as JSON compressed with gzip. `zcat` prints it.
//!
//! Most of it is the histograms of each second: a few MB of small numbers for a run of eight minutes, which compress to a
//! fraction of that.
//!
//! The plan is kept as a scenario file and read by the loader of scenarios, so that an edited archive cannot hold a plan
//! that no scenario file could. Everything else is checked after decoding (`soundness`).

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::Measurements;
use super::ending::Ending;
use super::series::Series;
use super::soundness::{self, Bounded, Unsound};
use super::tally::Tally;
use tiketi_cloud::notice::Notice;
use tiketi_scenario::{self as scenario, Overrides, Plan};
use tiketi_station::Profile;

/// Name of the archive in the folder of a run.
pub const FILE_NAME: &str = "measurements.json.gz";

/// Largest file that is read, in bytes. JSON of measurements compresses to a tenth; a file this large is not an archive.
pub const PACKED_BYTES_MAX: u64 = 64 << 20;

/// Version of the layout. Raised whenever an older archive would no longer be read correctly.
const VERSION: u32 = 2;

/// Limit on the JSON that is read, in bytes: several times what a run with the most ticks and buyers writes. A file that
/// decompresses to more is not an archive.
const BYTES_MAX: u64 = 256 << 20;

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not an archive, or an incomplete one.
    #[error("not a complete archive of measurements ({0})")]
    Broken(String),
    /// It decompresses to more than any archive has.
    #[error("decompresses to more than {mib} MiB, the limit of an archive")]
    TooLarge {
        /// The limit in MiB.
        mib: u64,
    },
    /// It was written by a version of the program with another layout.
    #[error("archive has layout version {found} (expected {VERSION})")]
    Version {
        /// Its layout version.
        found: u32,
    },
    /// Its plan is not a valid scenario.
    #[error("the archived plan is not a valid scenario: {0}")]
    Plan(String),
    /// Its numbers contradict each other.
    #[error("the measurements contradict themselves: {0}")]
    Unsound(#[from] Unsound),
}

#[derive(Serialize)]
struct Written<'m> {
    version: u32,
    scenario: String,
    profile: Option<String>,
    measurements: WrittenMeasurements<'m>,
}

/// The measurements without the plan.
#[derive(Serialize)]
struct WrittenMeasurements<'m> {
    tally: &'m Tally,
    series: &'m Series,
    timeline: &'m [Notice],
    notices_dropped: u64,
    ending: &'m Ending,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Archived {
    scenario: String,
    profile: Option<String>,
    measurements: ArchivedMeasurements,
}

#[derive(Deserialize)]
struct ArchivedMeasurements {
    tally: Tally,
    series: Series,
    timeline: Vec<Notice>,
    notices_dropped: u64,
    ending: Ending,
}

/// Packs measurements into an archive. Equal measurements give equal bytes.
pub fn pack(measurements: &Measurements) -> Vec<u8> {
    let Measurements {
        plan,
        tally,
        series,
        timeline,
        notices_dropped,
        ending,
    } = measurements;
    let profile = &plan.topology.instances.profile;
    let is_built_in = Profile::named(&profile.name).as_ref() == Some(profile);
    let written = Written {
        version: VERSION,
        scenario: plan.to_toml(),
        profile: (!is_built_in).then(|| scenario::profile::to_toml(profile)),
        measurements: WrittenMeasurements {
            tally,
            series,
            timeline,
            notices_dropped: *notices_dropped,
            ending,
        },
    };
    let json =
        serde_json::to_vec(&written).expect("all map keys are strings, and nothing else can fail");
    compressed(&json)
}

fn compressed(json: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed
        .write_all(json)
        .expect("writing to a Vec cannot fail");
    packed.finish().expect("writing to a Vec cannot fail")
}

/// Reads an archive written by [`pack`]. Its memory and time are limited, whatever the bytes are, and what it returns can
/// be judged and reported like the measurements of a run.
pub fn unpack(bytes: &[u8]) -> Result<Measurements, Unreadable> {
    let json = decompressed(bytes, BYTES_MAX)?;
    let broken = |error: serde_json::Error| Unreadable::Broken(error.to_string());
    // The version is read first: otherwise an older layout would be rejected for some missing field.
    let Version { version } = serde_json::from_slice(&json).map_err(broken)?;
    if version != VERSION {
        return Err(Unreadable::Version { found: version });
    }
    // Before anything is added up: a sum of numbers as large as JSON allows would overflow.
    serde_json::from_slice::<Bounded>(&json).map_err(broken)?;
    let archived: Archived = serde_json::from_slice(&json).map_err(broken)?;
    let plan = plan(&archived.scenario, archived.profile.as_deref())?;
    let ArchivedMeasurements {
        tally,
        series,
        timeline,
        notices_dropped,
        ending,
    } = archived.measurements;
    let measurements = Measurements {
        plan,
        tally,
        series,
        timeline,
        notices_dropped,
        ending,
    };
    soundness::check(&measurements)?;
    Ok(measurements)
}

/// Returns the JSON of an archive, which has at most `bytes_max` bytes.
fn decompressed(bytes: &[u8], bytes_max: u64) -> Result<Vec<u8>, Unreadable> {
    let mut json = Vec::new();
    // A few kilobytes of gzip can expand to any size, so reading stops at the limit.
    let read = GzDecoder::new(bytes)
        .take(bytes_max + 1)
        .read_to_end(&mut json);
    read.map_err(|error| Unreadable::Broken(error.to_string()))?;
    if json.len() as u64 > bytes_max {
        return Err(Unreadable::TooLarge {
            mib: bytes_max >> 20,
        });
    }
    Ok(json)
}

fn plan(text: &str, profile: Option<&str>) -> Result<Plan, Unreadable> {
    let invalid = |problems: scenario::Diagnostics| Unreadable::Plan(problems.to_string());
    let profile = profile.map(|text| scenario::profile::load("profile.toml", text));
    let overrides = Overrides {
        profile: profile.transpose().map_err(invalid)?,
        ..Overrides::default()
    };
    scenario::load("scenario.toml", text, &overrides).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn measurements_survive_packing_and_unpacking() {
        let run = example::run();
        let packed = pack(&run);
        assert!(unpack(&packed).unwrap() == run, "something changed");
        assert_eq!(packed, pack(&run));
    }

    #[test]
    fn a_profile_from_a_file_is_kept() {
        let mut run = example::run();
        let profile = &mut run.plan.topology.instances.profile;
        profile.name = "calibrated".to_owned();
        profile.query_ms = 2.5;
        assert!(unpack(&pack(&run)).unwrap() == run, "something changed");
    }

    #[test]
    fn old_truncated_and_foreign_files_give_different_errors() {
        let error = |bytes: &[u8]| unpack(bytes).unwrap_err().to_string();
        let packed = pack(&example::run());
        assert!(error(&packed[..packed.len() / 2]).starts_with("not a complete archive"));
        assert!(error(b"{}").starts_with("not a complete archive"));
        let older = error(&compressed(b"{\"version\":1,\"measurements\":{}}"));
        assert_eq!(older, "archive has layout version 1 (expected 2)");
        let incomplete = error(&compressed(b"{\"version\":2,\"measurements\":{}}"));
        assert!(incomplete.contains("missing field"), "{incomplete}");
    }

    #[test]
    fn a_small_file_that_expands_beyond_the_limit_is_rejected() {
        let (mib, packed) = (1 << 20, compressed(&[b' '; 2 << 20]));
        assert!(packed.len() < 10_000);
        assert!(decompressed(&packed, 2 * mib).is_ok());
        let error = decompressed(&packed, 2 * mib - 1).unwrap_err().to_string();
        assert_eq!(
            error,
            "decompresses to more than 1 MiB, the limit of an archive"
        );
    }

    #[test]
    fn an_invalid_plan_is_rejected_by_the_loader_of_scenarios() {
        let text =
            String::from_utf8(decompressed(&pack(&example::run()), BYTES_MAX).unwrap()).unwrap();
        let edited = text.replace("duration = \\\"10m\\\"", "duration = \\\"-10m\\\"");
        assert_ne!(text, edited);
        let error = unpack(&compressed(edited.as_bytes()))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the archived plan is not a valid scenario: scenario.toml:"),
            "{error}"
        );
    }
}
