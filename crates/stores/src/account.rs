//! Whom servers run as.

use nix::unistd::{Uid, User};

use crate::StoresError;

/// Users that servers run as when this process is root's, in order of preference.
///
/// `postgres` comes with PostgreSQL's packages, `nobody` is everywhere. PostgreSQL refuses root.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user servers run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whom to become, as user and group; `None` means the user of this process.
    ids: Option<(u32, u32)>,
}

impl Account {
    /// Returns this process's own user, or an unprivileged one when that is root.
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

    /// Returns the user and group to become; `None` means to stay what this process is.
    pub(crate) fn ids(self) -> Option<(u32, u32)> {
        self.ids
    }
}
