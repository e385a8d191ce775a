//! House rules that no compiler checks: pure crates without the pure lints, long files, unfinished code, paths of one
//! machine, and scenarios that ask no question. Which crate may use which is checked by the compiler: see the manifests.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates that may touch sockets, files, processes and clocks. All others are pure.
const IMPURE_CRATES: [&str; 3] = ["live", "stores", "testbed"];

/// Crates from elsewhere that no pure crate may depend on.
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

/// Lines of code of a source file: its comments and unit tests are not counted.
const LINES_MAX: usize = 500;

/// Lines of a file of tests.
const TEST_LINES_MAX: usize = 800;

/// Marks of code that is not there yet. Each is written in two halves, or this file would have it.
const UNFINISHED: [&str; 4] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
];

/// Folders of one machine. Each is written in two halves, or this file would have it.
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
fn a_planted_runtime_is_found() {
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
fn nothing_is_left_unfinished() {
    assert_none(&all_sources(), |file| found(&UNFINISHED, &file.text));
}

#[test]
fn nothing_refers_to_one_machine() {
    let endings = ["rs", "toml", "md", "json", "html", "yml", "run", "justfile"];
    assert_none(&files_under(Path::new(""), &endings), |file| {
        found(&MACHINE_PATHS, &file.text)
    });
}

#[test]
fn every_scenario_begins_with_a_question() {
    let folders = [Path::new("scenarios"), Path::new("scenarios/studies")];
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
        let problem = "does not begin with a comment that asks a question";
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

/// One text file of the repository.
struct File {
    /// Path from the repository's top.
    name: String,
    text: String,
}

/// Fails with every problem of every file.
fn assert_none(files: &[File], problems: impl Fn(&File) -> Vec<String>) {
    assert!(!files.is_empty(), "no files were looked at");
    let found: Vec<_> = files
        .iter()
        .flat_map(|file| {
            let problems = problems(file).into_iter();
            problems.map(|problem| format!("{}: {problem}", file.name))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// All Rust files of the workspace.
fn all_sources() -> Vec<File> {
    let folders = ["src", "crates", "reference-server", "tests", "benches"];
    let files = folders.map(|folder| files_under(Path::new(folder), &["rs"]));
    files.into_iter().flatten().collect()
}

/// All files under a folder of the repository with one of these endings (or names).
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
        // What runs and builds leave behind is not ours; nor is what git keeps.
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

/// Leaves out the files of modules that exist in tests only.
fn leave_out_tests(files: &mut Vec<File>) {
    let modules = files.iter().flat_map(|file| {
        let folder = file.name.strip_suffix("mod.rs").unwrap_or_default();
        let modules = modules_for_tests(&file.text).into_iter();
        modules.map(move |module| format!("{folder}{module}.rs"))
    });
    let modules: Vec<_> = modules.collect();
    files.retain(|file| !modules.contains(&file.name));
}

/// The names of the modules in files of their own that a text declares for tests only.
fn modules_for_tests(text: &str) -> Vec<&str> {
    let lines = text.lines().zip(text.lines().skip(1));
    let declared = lines.filter(|(attribute, _)| *attribute == "#[cfg(test)]");
    declared
        .filter_map(|(_, line)| line.strip_suffix(';')?.rsplit_once("mod "))
        .map(|(_, module)| module)
        .collect()
}

/// The text without comments and without modules of unit tests.
fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            // Formatted code closes a top-level module with a brace in the first column.
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

/// The runtimes that a manifest names.
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
        return vec![format!("has {lines} lines, {max} are the limit")];
    }
    Vec::new()
}

fn found(words: &[&str], text: &str) -> Vec<String> {
    let found = words.iter().filter(|word| text.contains(**word));
    found.map(|word| format!("has `{word}`")).collect()
}

/// Whether the first paragraph of the first comment has a question mark.
fn begins_with_a_question(text: &str) -> bool {
    let comment = text.lines().map_while(|line| line.strip_prefix('#'));
    let mut paragraph = comment.take_while(|line| !line.trim().is_empty());
    paragraph.any(|line| line.trim_end().ends_with('?'))
}
