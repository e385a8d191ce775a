//! Text that is held against a file of accepted text.

use std::path::PathBuf;

/// Where the accepted texts are.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots")
}

/// Holds `shown` against the accepted text; with `BLESS=1` in the environment it becomes the accepted one.
pub(crate) fn assert_snapshot(name: &str, shown: &str) {
    let path = folder().join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, shown).expect("the snapshot can be written");
    }
    let accepted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        accepted == shown,
        "{name} differs; if this is right, accept it with BLESS=1:\n{shown}"
    );
}
