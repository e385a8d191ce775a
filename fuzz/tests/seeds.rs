//! Every fuzz target, with known inputs and with damaged copies of them.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use tiketi_measure::{archive, example};

/// Damaged copies of each input.
const COPIES: usize = 40;

#[test]
fn scenarios() {
    each(
        &files(&["scenarios", "scenarios/agreement"], "toml"),
        tiketi_fuzz::scenario,
    );
}

#[test]
fn mappings() {
    each(
        &files(&["scenarios/apis", "crates/api/src/presets"], "toml"),
        tiketi_fuzz::mapping,
    );
}

#[test]
fn recordings() {
    each(
        &files(&["crates/api-draft/tests/recordings"], "har"),
        tiketi_fuzz::recording,
    );
}

#[test]
fn openapi_documents() {
    let folder = ["crates/api-draft/tests/documents"];
    each(&files(&folder, "yaml"), tiketi_fuzz::openapi);
    each(&files(&folder, "json"), tiketi_fuzz::openapi);
}

#[test]
fn plan_files() {
    each(&files(&["scenarios/plans"], "toml"), tiketi_fuzz::plan_file);
}

#[test]
fn price_books() {
    each(
        &files(&["scenarios/prices"], "toml"),
        tiketi_fuzz::price_book,
    );
}

#[test]
fn profiles() {
    each(
        &files(&["fuzz/seeds/profile"], "toml"),
        tiketi_fuzz::profile,
    );
}

#[test]
fn archives() {
    let packed = archive::pack(&example::run());
    tiketi_fuzz::archive(&packed);
    each(&[packed], tiketi_fuzz::archive);
}

#[test]
fn reports_for_the_table_of_claims() {
    let folders = [
        "reports/reference/redis-failover",
        "reports/studies/documented-month",
        "reports/studies/queue-or-cpu",
        "reports/studies/cost-table",
    ];
    each(&files(&folders, "json"), tiketi_fuzz::claims);
}

#[test]
fn socket_frames() {
    each(
        &files(&["fuzz/seeds/socket_frames"], "txt"),
        tiketi_fuzz::socket_frames,
    );
}

#[test]
fn http_responses() {
    let seeds = files(&["fuzz/seeds/http_response"], "txt");
    // Otherwise nothing behind the parser would be reached.
    for seed in &seeds {
        let text = String::from_utf8_lossy(seed);
        assert!(tiketi_fuzz::http_response(seed), "not a response:\n{text}");
    }
    each(&seeds, |bytes| {
        let _is_response = tiketi_fuzz::http_response(bytes);
    });
}

#[test]
fn lines_of_a_program_that_signs() {
    let seeds = files(&["fuzz/seeds/sign_line"], "txt");
    for seed in &seeds {
        let text = String::from_utf8_lossy(seed);
        assert!(tiketi_fuzz::sign_line(seed), "not an answer:\n{text}");
    }
    each(&seeds, |bytes| {
        let _is_answer = tiketi_fuzz::sign_line(bytes);
    });
}

#[test]
fn metrics_responses() {
    let seeds = files(&["fuzz/seeds/metrics_response"], "json");
    for seed in &seeds {
        assert!(tiketi_fuzz::metrics_response(seed));
    }
    each(&seeds, |bytes| {
        let _has_value = tiketi_fuzz::metrics_response(bytes);
    });
}

#[test]
fn server_requests() {
    each(
        &files(&["fuzz/seeds/server_request"], "txt"),
        tiketi_fuzz::server_request,
    );
}

/// Passes each input and its damaged copies to the target.
fn each(inputs: &[Vec<u8>], target: fn(&[u8])) {
    assert!(!inputs.is_empty(), "no inputs");
    let mut random = StdRng::seed_from_u64(1);
    for input in inputs {
        target(input);
        for _ in 0..COPIES {
            target(&damaged(input, &mut random));
        }
    }
}

/// Cuts the input, changes some of its bytes, or repeats a part of it.
fn damaged(input: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut copy = input.to_vec();
    let any = random.random_range(0..=copy.len());
    match random.random_range(0..3) {
        0 => copy.truncate(any),
        1 => {
            let part = copy[any..].to_vec();
            copy.extend(part);
        }
        _ => {}
    }
    for _ in 0..random.random_range(0..4) {
        if let Some(place) = copy.len().checked_sub(1) {
            let place = random.random_range(0..=place);
            copy[place] = (random.next_u32() & 0xff) as u8;
        }
    }
    copy
}

/// Reads the files of the folders that have the extension.
fn files(folders: &[&str], extension: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let listed = folders.iter().flat_map(|folder| {
        let entries = root.join(folder).read_dir().expect("the folder exists");
        entries.map(|entry| entry.expect("the folder can be read").path())
    });
    let mut paths: Vec<PathBuf> = listed
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| std::fs::read(path).expect("the file can be read");
    paths.iter().map(read).collect()
}
