//! Random numbers of the operating system, for passwords and ports.

use std::fs::File;
use std::io::Read;

use crate::StoresError;

/// Returns a password of 32 hexadecimal digits, which never needs quoting.
pub(crate) fn password() -> Result<String, StoresError> {
    let bytes: [u8; 16] = random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns a random number.
pub(crate) fn number() -> Result<u16, StoresError> {
    Ok(u16::from_ne_bytes(random()?))
}

fn random<const N: usize>() -> Result<[u8; N], StoresError> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|source| StoresError::io("cannot read random numbers", source))?;
    Ok(bytes)
}
