//! Prints the JSON inside a small archive: a first input for the `archive` target.

use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;
use tiketi_measure::{archive, example};

fn main() -> std::io::Result<()> {
    let mut json = Vec::new();
    GzDecoder::new(&archive::pack(&example::run())[..]).read_to_end(&mut json)?;
    std::io::stdout().lock().write_all(&json)
}
