//! The user that servers run as.

use nix::unistd::{Uid, User};

use crate::StoresError;

/// Users that servers run as if this process runs as root, in order of preference.
///
/// The packages of PostgreSQL create `postgres`; `nobody` always exists. PostgreSQL refuses to run as root.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user that servers run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// User and group; `None` means those of this process.
    ids: Option<(u32, u32)>,
}

impl Account {
    /// Returns the user of this process, or an unprivileged one if that is root.
    pub fn find() -> Result<Self, StoresError> {
        if !Uid::effective().is_root() {
            return Ok(Self { ids: None });
        }
        UNPRIVILEGED
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self {
                ids: Some((user.uid.as_raw(), user.gid.as_raw())),
            })
            .ok_or(StoresError::NoAccount)
    }

    /// Returns the user and group to switch to; `None` means those of this process.
    pub(crate) fn ids(self) -> Option<(u32, u32)> {
        self.ids
    }
}
