//! Compares text with accepted snapshots.

use std::path::PathBuf;

/// The folder of the snapshots.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots")
}

/// Compares `shown` with the snapshot; with `BLESS=1` in the environment it becomes the snapshot.
pub(crate) fn assert_snapshot(name: &str, shown: &str) {
    let path = folder().join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, shown).expect("the snapshot can be written");
    }
    let accepted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        accepted == shown,
        "{name} differs; if the new text is correct, accept it with BLESS=1:\n{shown}"
    );
}
