//! Helpers for the tests of all reports.

use std::path::Path;

/// Compares with a file; `BLESS=1` accepts the present text.
#[expect(clippy::disallowed_methods, reason = "snapshots are files")]
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/snapshots")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).expect("the snapshot can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{name} has changed; to accept it, run the test with BLESS=1\n{text}"
    );
}

/// Writes a page to the folder that `SHOW` names, to be looked at.
#[expect(
    clippy::disallowed_methods,
    reason = "`SHOW=folder` writes pages to be looked at"
)]
pub(crate) fn show(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("SHOW") {
        std::fs::write(Path::new(&folder).join(name), page).expect("the page can be written");
    }
}

/// A page refers to nothing outside itself, runs no script, and has no fixed color in its drawings.
pub(crate) fn assert_self_contained(page: &str) {
    for outside in [
        "http://", "https://", "<script", "<link", "<img", "@import", "url(", "=\"#",
    ] {
        assert!(!page.contains(outside), "the page contains {outside}");
    }
}

/// Every element is closed in the order in which it was opened.
pub(crate) fn assert_well_formed(page: &str) {
    const VOID: [&str; 3] = ["meta", "br", "hr"];
    let mut open = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '\n', '/']).find(|name| !name.is_empty());
        let name = name.expect("a tag has a name");
        if tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
        } else {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}
