//! The other hosts of a mapping, and which role asks which of them.

use crate::host::{Host, HostPlace};
use crate::problem::{At, Problems};
use crate::table::Table;
use crate::tree::Tree;

/// Most other hosts. Each has connections of its own in every load worker.
const HOSTS_MAX: usize = 8;

/// Reads `[hosts]`.
pub(super) fn hosts(at: At, tree: &Tree, problems: &mut Problems) -> Vec<Host> {
    const EXPECTED: &str =
        "\":PORT\" on the target's host, or \"http://HOST[:PORT]\" or \"https://HOST[:PORT]\"";
    let Some(table) = Table::open(at, tree, problems) else {
        return Vec::new();
    };
    let mut hosts = Vec::new();
    for (at, entry) in table.lines() {
        match entry.value.text().and_then(HostPlace::parse) {
            Some(place) => hosts.push(Host {
                name: entry.key.name.clone(),
                at: place,
            }),
            None => {
                let help = "paths belong to the roles, and `base` is in front of them";
                problems.reject(&at, &entry.value, EXPECTED, help);
            }
        }
    }
    if hosts.len() > HOSTS_MAX {
        let message = format!("`{}` has {} hosts", table.at.path, hosts.len());
        let expected = format!("at most {HOSTS_MAX} besides the target");
        problems.report(&table.at, message, expected, "leave some out");
        hosts.truncate(HOSTS_MAX);
    }
    hosts
}

/// Returns the place of the host that a role asks; `None` for the target itself.
pub(super) fn host(table: &mut Table<'_>, hosts: &[Host], problems: &mut Problems) -> Option<u8> {
    let (at, name) = table.text("host", "a name in `[hosts]`", problems)?;
    let place = hosts.iter().position(|host| host.name == name);
    if place.is_none() {
        let known: Vec<_> = hosts.iter().map(|host| host.name.as_str()).collect();
        if known.is_empty() {
            let message = format!("`{}` is \"{name}\", and there are no `[hosts]`", at.path);
            let help = "say where it is, such as `hosts = { queue = \":9000\" }`";
            problems.report(&at, message, "a name in `[hosts]`", help);
        } else {
            problems.unknown(&at, "host", name, &known);
        }
    }
    u8::try_from(place?).ok()
}
