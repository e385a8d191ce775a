//! The whole of a run's measurements as the bytes of one file, and back: JSON, compressed with gzip.
//!
//! Compressed because the histograms of each second are: three megabytes of small numbers for a run of eight minutes,
//! well under one in the file. `zcat` shows it.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::Measurements;

/// Name of the file in a run's folder.
pub const FILE_NAME: &str = "measurements.json.gz";

/// Version of the layout; raised when measurements are no longer read as they were written.
const VERSION: u32 = 1;

/// Bytes of JSON that are read at most: a hundred times what the largest run writes.
const BYTES_MAX: u64 = 1 << 30;

/// Why measurements could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no such file, or a part of one.
    #[error("holds no whole measurements ({0})")]
    Broken(String),
    /// Another version of the program wrote it.
    #[error("holds measurements of layout {found} (legal: {VERSION})")]
    Version {
        /// The layout.
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
struct Kept {
    measurements: Measurements,
}

/// Packs measurements up; the same ones always give the same bytes.
pub fn pack(measurements: &Measurements) -> Vec<u8> {
    let written = Written {
        version: VERSION,
        measurements,
    };
    let json = serde_json::to_vec(&written).expect("measurements are written to workers as well");
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&json).expect("a Vec takes everything");
    packed.finish().expect("a Vec takes everything")
}

/// Reads what [`pack`] packed up.
pub fn unpack(bytes: &[u8]) -> Result<Measurements, Unreadable> {
    let mut json = Vec::new();
    GzDecoder::new(bytes)
        .take(BYTES_MAX)
        .read_to_end(&mut json)
        .map_err(|error| Unreadable::Broken(error.to_string()))?;
    let broken = |error: serde_json::Error| Unreadable::Broken(error.to_string());
    // The version first: an older layout would be refused for a detail that says nothing.
    let Version { version } = serde_json::from_slice(&json).map_err(broken)?;
    if version != VERSION {
        return Err(Unreadable::Version { found: version });
    }
    let kept: Kept = serde_json::from_slice(&json).map_err(broken)?;
    Ok(kept.measurements)
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
    fn measurements_come_back_as_they_were() {
        let run = example::run();
        let packed = pack(&run);
        assert!(
            unpack(&packed).unwrap() == run,
            "something changed on the way"
        );
        assert_eq!(packed, pack(&run));
    }

    #[test]
    fn what_is_older_cut_off_or_something_else_is_told_apart() {
        let told = |bytes: &[u8]| unpack(bytes).unwrap_err().to_string();
        let packed = pack(&example::run());
        assert!(told(&packed[..packed.len() / 2]).starts_with("holds no whole measurements"));
        assert!(told(b"{}").starts_with("holds no whole measurements"));
        let older = told(&packed_text("{\"version\":0,\"measurements\":{}}"));
        assert_eq!(older, "holds measurements of layout 0 (legal: 1)");
        let incomplete = told(&packed_text("{\"version\":1,\"measurements\":{}}"));
        assert!(incomplete.contains("missing field"), "{incomplete}");
    }
}
