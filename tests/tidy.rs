//! The project's own rules that the compiler doesn't check: pure crates have the pure lints, files are short, no code is
//! unfinished, nothing refers to one machine, and every scenario asks a question. Dependencies between crates are checked by
//! the compiler; see the manifests.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates that may touch sockets, files, processes and clocks. All others are pure.
const IMPURE_CRATES: [&str; 3] = ["live", "stores", "testbed"];

/// External crates that no pure crate may depend on.
const RUNTIMES: [&str; 8] = [
    "axum",
    "hyper",
    "nix",
    "redis",
    "reqwest",
    "socket2",
    "tokio",
    "tokio-postgres",
];

/// Maximum lines of code of a source file, without comments and unit tests.
const LINES_MAX: usize = 500;

/// Maximum lines of a test file.
const TEST_LINES_MAX: usize = 800;

/// Markers of unfinished code. Each is written in two halves, because this file is checked too.
const UNFINISHED: [&str; 4] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
];

/// Ways to read a clock.
const CLOCK_READS: [&str; 4] = [
    "Instant::now()",
    "SystemTime::now()",
    "Timestamp::now()",
    ".elapsed()",
];

/// The files that may: the clock of live runs, and that of the stores, which know nothing of scenario time.
const CLOCKS: [&str; 2] = ["crates/stores/src/lib.rs", "crates/testbed/src/clock.rs"];

/// Ways to open a connection.
const CONNECTS: [&str; 7] = [
    "TcpStream::connect",
    "TcpSocket",
    "UdpSocket",
    "UnixStream",
    "HttpConnector",
    "connect_async",
    "reqwest",
];

/// The file of the load generator that may: it connects to addresses that passed the guard.
const CONNECTOR: &str = "crates/live/src/dialer.rs";

/// Folders of one machine. Each is written in two halves, because this file is checked too.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

#[test]
fn pure_crates_have_the_pure_lints_and_no_runtime() {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let lints = fs::read_to_string(top.join("crates/pure.clippy.toml")).expect("the lints exist");
    let manifests = files_under(Path::new("crates"), &["toml"]);
    let mut manifests: Vec<_> = manifests
        .into_iter()
        .filter(|file| file.name.ends_with("/Cargo.toml"))
        .collect();
    assert!(
        manifests.len() > IMPURE_CRATES.len(),
        "no crates were found"
    );
    manifests.retain(|file| {
        let folder = file
            .name
            .split('/')
            .nth(1)
            .expect("it is in a folder of crates");
        !IMPURE_CRATES.contains(&folder)
    });
    assert_none(&manifests, |file| {
        let mut problems = runtimes(&file.text);
        let linked = top.join(&file.name).with_file_name("clippy.toml");
        if fs::read_to_string(linked).ok().as_deref() != Some(lints.as_str()) {
            problems.push("does not link `clippy.toml` to `../pure.clippy.toml`".to_owned());
        }
        problems
    });
}

#[test]
fn planted_runtime_is_found() {
    assert_eq!(
        runtimes("[dependencies]\nserde.workspace = true\ntokio = \"1\"\n"),
        ["depends on tokio"]
    );
    assert!(runtimes("[dependencies]\nserde.workspace = true\n").is_empty());
}

#[test]
fn files_stay_short() {
    let mut files = all_sources();
    leave_out_tests(&mut files);
    assert_none(&files, too_long);
}

#[test]
fn one_file_of_the_simulator_reads_a_clock() {
    let mut files = files_under(Path::new("src"), &["rs"]);
    files.extend(files_under(Path::new("crates"), &["rs"]));
    leave_out_tests(&mut files);
    // Tests of a crate may measure how long something takes.
    files.retain(|file| !file.name.contains("/tests/") && !file.name.contains("/benches/"));
    let reads = |file: &File| {
        CLOCK_READS
            .iter()
            .any(|read| code(&file.text).contains(read))
    };
    let found: Vec<_> = files.iter().filter(|file| reads(file)).collect();
    let names: Vec<_> = found.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, CLOCKS, "take `now` as an argument instead");
}

#[test]
fn one_file_of_the_load_generator_connects() {
    let mut files = files_under(Path::new("src"), &["rs"]);
    files.extend(files_under(Path::new("crates/live"), &["rs"]));
    leave_out_tests(&mut files);
    files.retain(|file| !found(&CONNECTS, &code(&file.text)).is_empty());
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [CONNECTOR],
        "a connection needs an address that passed the guard: go through the dialer"
    );
}

#[test]
fn no_unfinished_code() {
    assert_none(&all_sources(), |file| found(&UNFINISHED, &file.text));
}

#[test]
fn no_paths_of_one_machine() {
    let endings = ["rs", "toml", "md", "json", "html", "yml", "run", "justfile"];
    assert_none(&files_under(Path::new(""), &endings), |file| {
        found(&MACHINE_PATHS, &file.text)
    });
}

#[test]
fn every_scenario_starts_with_a_question() {
    let folders = ["scenarios", "scenarios/claims", "scenarios/studies"].map(Path::new);
    let mut files = files_under(folders[0], &["toml"]);
    files.retain(|file| folders.map(Some).contains(&Path::new(&file.name).parent()));
    for folder in folders {
        let is_here = |file: &File| Path::new(&file.name).parent() == Some(folder);
        assert!(
            files.iter().any(is_here),
            "no scenarios in {}",
            folder.display()
        );
    }
    assert_none(&files, |file| {
        let problem = "does not start with a comment that asks a question";
        let asks = begins_with_a_question(&file.text);
        if asks {
            Vec::new()
        } else {
            vec![problem.to_owned()]
        }
    });
}

#[test]
fn comments_and_unit_tests_are_not_code() {
    let text = "//! See [`crate::live`].\nuse a; // not tokio::x\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\nfn b() {}\n";
    assert_eq!(code(text), "use a; \nfn b() {}\n");
    let text = "fn a() {}\n#[cfg(test)]\npub(crate) mod example;\nfn b() {}\n";
    assert_eq!(code(text), "fn a() {}\nfn b() {}\n");
    assert_eq!(modules_for_tests(text), ["example"]);
}

#[test]
fn planted_long_files_marks_and_paths_are_found() {
    let file = |name: &str, text: String| File {
        name: name.to_owned(),
        text,
    };
    assert!(too_long(&file("src/a.rs", "x();\n".repeat(LINES_MAX))).is_empty());
    assert_eq!(
        too_long(&file("src/a.rs", "x();\n".repeat(LINES_MAX + 1))).len(),
        1
    );
    assert_eq!(
        too_long(&file("tests/a.rs", "x();\n".repeat(TEST_LINES_MAX + 1))).len(),
        1
    );
    assert_eq!(
        found(&UNFINISHED, concat!("fn x() { to", "do!() }")).len(),
        1
    );
    assert_eq!(
        found(&MACHINE_PATHS, concat!("see /ho", "me/me/x")).len(),
        1
    );
    assert!(begins_with_a_question("# Does it\n# hold?\n\nseed = 1\n"));
    assert!(!begins_with_a_question("# It holds.\n#\n# Does it?\n"));
    assert!(!begins_with_a_question("seed = 1\n# Does it?\n"));
}

/// A text file of the repository.
struct File {
    /// Path relative to the repository.
    name: String,
    text: String,
}

/// Fails with all problems of all files.
fn assert_none(files: &[File], problems: impl Fn(&File) -> Vec<String>) {
    assert!(!files.is_empty(), "no files were checked");
    let found: Vec<_> = files
        .iter()
        .flat_map(|file| {
            let problems = problems(file).into_iter();
            problems.map(|problem| format!("{}: {problem}", file.name))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Returns all Rust files of the workspace.
fn all_sources() -> Vec<File> {
    let folders = ["src", "crates", "reference-server", "tests", "benches"];
    let files = folders.map(|folder| files_under(Path::new(folder), &["rs"]));
    files.into_iter().flatten().collect()
}

/// Returns all files under a folder of the repository with one of these endings or names.
fn files_under(folder: &Path, endings: &[&str]) -> Vec<File> {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let Ok(entries) = fs::read_dir(top.join(folder)) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.expect("the folder can be listed");
        let file_name = entry.file_name().to_string_lossy().into_owned();
        let path = folder.join(&file_name);
        let is_folder = entry.file_type().expect("the type is known").is_dir();
        // Build output, reports and git's own files are not part of the source.
        let is_left_behind = ["target", ".git", "reports"].contains(&file_name.as_str());
        if is_folder && !is_left_behind {
            files.extend(files_under(&path, endings));
        }
        let ending = file_name.rsplit('.').next().unwrap_or_default();
        if !is_folder && endings.contains(&ending) {
            let text = fs::read_to_string(top.join(&path)).expect("sources are text");
            let name = path.to_string_lossy().into_owned();
            files.push(File { name, text });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// Removes the files of test-only modules.
fn leave_out_tests(files: &mut Vec<File>) {
    let modules = files.iter().flat_map(|file| {
        let folder = file.name.strip_suffix("mod.rs").unwrap_or_default();
        let modules = modules_for_tests(&file.text).into_iter();
        modules.map(move |module| format!("{folder}{module}.rs"))
    });
    let modules: Vec<_> = modules.collect();
    files.retain(|file| !modules.contains(&file.name));
}

/// Returns the names of the test-only modules in separate files that a text declares.
fn modules_for_tests(text: &str) -> Vec<&str> {
    let lines = text.lines().zip(text.lines().skip(1));
    let declared = lines.filter(|(attribute, _)| *attribute == "#[cfg(test)]");
    declared
        .filter_map(|(_, line)| line.strip_suffix(';')?.rsplit_once("mod "))
        .map(|(_, module)| module)
        .collect()
}

/// Returns the text without comments and unit-test modules.
fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            // In formatted code a top-level module ends with a brace in the first column.
            let is_inline = lines.next().is_some_and(|module| module.ends_with('{'));
            if is_inline {
                lines.by_ref().find(|line| *line == "}");
            }
            continue;
        }
        if line.trim_start().starts_with("//") {
            continue;
        }
        let before_comment = line.find(" // ").map_or(line, |at| &line[..=at]);
        kept.push_str(before_comment);
        kept.push('\n');
    }
    kept
}

/// Returns the runtimes that a manifest names.
fn runtimes(manifest: &str) -> Vec<String> {
    let keys = manifest
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    let named = keys.filter(|key| RUNTIMES.contains(key));
    named.map(|name| format!("depends on {name}")).collect()
}

fn too_long(file: &File) -> Vec<String> {
    let is_test = file.name.contains("tests/") || file.name.ends_with("tests.rs");
    let (lines, max) = if is_test {
        (file.text.lines().count(), TEST_LINES_MAX)
    } else {
        (code(&file.text).lines().count(), LINES_MAX)
    };
    if lines > max {
        return vec![format!("has {lines} lines (limit: {max})")];
    }
    Vec::new()
}

fn found(words: &[&str], text: &str) -> Vec<String> {
    let found = words.iter().filter(|word| text.contains(**word));
    found.map(|word| format!("has `{word}`")).collect()
}

/// Returns whether the first paragraph of the leading comment contains a line that ends with a question mark.
fn begins_with_a_question(text: &str) -> bool {
    let comment = text.lines().map_while(|line| line.strip_prefix('#'));
    let mut paragraph = comment.take_while(|line| !line.trim().is_empty());
    paragraph.any(|line| line.trim_end().ends_with('?'))
}
