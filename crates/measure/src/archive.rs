//! The archive of a run: all of its measurements in one file, as JSON compressed with gzip. `zcat` prints it.
//!
//! Most of it is the histograms of each second: 3 MB of small numbers for a run of eight minutes, which compress to well
//! under 1 MB.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::Measurements;

/// Name of the archive in the folder of a run.
pub const FILE_NAME: &str = "measurements.json.gz";

/// Version of the layout. Raised whenever an older archive would no longer be read correctly.
const VERSION: u32 = 1;

/// Limit on the JSON that is read, in bytes: a hundred times what the largest run writes. A file that decompresses to more
/// is not an archive.
const BYTES_MAX: u64 = 1 << 30;

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not an archive, or an incomplete one.
    #[error("not a complete archive of measurements ({0})")]
    Broken(String),
    /// It was written by a version of the program with another layout.
    #[error("archive has layout version {found} (expected {VERSION})")]
    Version {
        /// Its layout version.
        found: u32,
    },
}

#[derive(Serialize)]
struct Written<'m> {
    version: u32,
    measurements: &'m Measurements,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Archived {
    measurements: Measurements,
}

/// Packs measurements into an archive. Equal measurements give equal bytes.
pub fn pack(measurements: &Measurements) -> Vec<u8> {
    let written = Written {
        version: VERSION,
        measurements,
    };
    let json =
        serde_json::to_vec(&written).expect("all map keys are strings, and nothing else can fail");
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed
        .write_all(&json)
        .expect("writing to a Vec cannot fail");
    packed.finish().expect("writing to a Vec cannot fail")
}

/// Reads an archive written by [`pack`].
pub fn unpack(bytes: &[u8]) -> Result<Measurements, Unreadable> {
    let mut json = Vec::new();
    // A few kilobytes of gzip can expand to any size, so reading stops at the limit.
    GzDecoder::new(bytes)
        .take(BYTES_MAX)
        .read_to_end(&mut json)
        .map_err(|error| Unreadable::Broken(error.to_string()))?;
    let broken = |error: serde_json::Error| Unreadable::Broken(error.to_string());
    // The version is read first: otherwise an older layout would be rejected for some missing field.
    let Version { version } = serde_json::from_slice(&json).map_err(broken)?;
    if version != VERSION {
        return Err(Unreadable::Version { found: version });
    }
    let archived: Archived = serde_json::from_slice(&json).map_err(broken)?;
    Ok(archived.measurements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn packed_text(text: &str) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn measurements_survive_packing_and_unpacking() {
        let run = example::run();
        let packed = pack(&run);
        assert!(unpack(&packed).unwrap() == run, "something changed");
        assert_eq!(packed, pack(&run));
    }

    #[test]
    fn old_truncated_and_foreign_files_give_different_errors() {
        let error = |bytes: &[u8]| unpack(bytes).unwrap_err().to_string();
        let packed = pack(&example::run());
        assert!(error(&packed[..packed.len() / 2]).starts_with("not a complete archive"));
        assert!(error(b"{}").starts_with("not a complete archive"));
        let older = error(&packed_text("{\"version\":0,\"measurements\":{}}"));
        assert_eq!(older, "archive has layout version 0 (expected 1)");
        let incomplete = error(&packed_text("{\"version\":1,\"measurements\":{}}"));
        assert!(incomplete.contains("missing field"), "{incomplete}");
    }
}
