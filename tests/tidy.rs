//! The project's own rules: forbidden imports, input and output in pure code, long files, unfinished code, paths of one
//! machine, and scenarios without a question.

use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of the library a module may import, and of those in parentheses only the named part.
const MAY_IMPORT: [(&str, &[&str]); 16] = [
    ("units", &[]),
    ("rng", &["units"]),
    ("fault", &["rng", "units"]),
    ("scenario", &["fault", "rng", "units"]),
    ("cost", &["fault", "rng", "scenario", "units"]),
    ("cloud", &["fault", "rng", "scenario", "units"]),
    (
        "buyer",
        // A journey says what it sees in the words of the measurements; it may not fold them.
        &["fault", "measure::observation", "rng", "scenario", "units"],
    ),
    (
        "measure",
        // The timeline is made of notices: plain data, no machinery of the control plane.
        &["cloud::notice", "cost", "fault", "rng", "scenario", "units"],
    ),
    (
        "verdict",
        &[
            "cloud::notice",
            "cost",
            "fault",
            "measure",
            "rng",
            "scenario",
            "units",
        ],
    ),
    (
        "calibration",
        &["measure", "model", "rng", "scenario", "units", "verdict"],
    ),
    (
        "capacity",
        &[
            "buyer", "cloud", "cost", "fault", "measure", "model", "rng", "scenario", "units",
            "verdict",
        ],
    ),
    (
        "report",
        // Timelines of policies are shown as they are: sizes over time, no machinery of the control plane.
        &[
            "capacity",
            "cloud::notice",
            "cloud::policy_timeline",
            "cost",
            "fault",
            "measure",
            "rng",
            "scenario",
            "units",
            "verdict",
        ],
    ),
    (
        "model",
        &[
            "buyer", "cloud", "cost", "fault", "measure", "rng", "scenario", "units",
        ],
    ),
    (
        "testbed",
        // What was measured of servers goes into the measurements as it is.
        &[
            "cloud",
            "fault",
            "measure::ending",
            "rng",
            "scenario",
            "units",
        ],
    ),
    (
        "live",
        &[
            "buyer", "cloud", "cost", "fault", "measure", "rng", "scenario", "testbed", "units",
        ],
    ),
    (
        "cli",
        &[
            "buyer",
            "calibration",
            "capacity",
            "cloud",
            "cost",
            "fault",
            "live",
            "measure",
            "model",
            "report",
            "rng",
            "scenario",
            "testbed",
            "units",
            "verdict",
        ],
    ),
];

/// Modules that may touch the machine: sockets, files, processes, clocks.
const IMPURE: [&str; 4] = ["cli", "live", "main", "testbed"];

/// Paths that touch the machine.
const FORBIDDEN_PATHS: [&str; 6] = [
    "tokio",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
];

/// Calls that read a clock.
const CLOCK_READS: [&str; 2] = ["Instant::now", "SystemTime::now"];

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

/// Folders of one machine. Each is written in two halves, because this file is checked too.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

#[test]
fn imports_follow_the_flow() {
    assert_none(&sources("src"), |file| {
        let Some(module) = module_of(&file.name) else {
            return Vec::new();
        };
        imports_against_the_flow(&module, &code(&file.text))
    });
}

#[test]
fn pure_modules_do_not_touch_the_machine() {
    let mut files = sources("src");
    leave_out_tests(&mut files);
    assert_none(&files, |file| match module_of(&file.name) {
        Some(module) if !IMPURE.contains(&module.as_str()) => impurities(&code(&file.text)),
        _ => Vec::new(),
    });
}

#[test]
fn every_module_has_its_place_in_the_flow() {
    for file in sources("src") {
        if let Some(module) = module_of(&file.name) {
            let has_place = MAY_IMPORT.iter().any(|(name, _)| *name == module);
            assert!(has_place || module == "main", "{module} has no place");
        }
    }
}

#[test]
fn files_stay_short() {
    let files = [
        "src",
        "data-stores/src",
        "reference-server/src",
        "tests",
        "data-stores/tests",
        "reference-server/tests",
    ];
    let mut files: Vec<_> = files.into_iter().flat_map(sources).collect();
    leave_out_tests(&mut files);
    assert_none(&files, too_long);
}

#[test]
fn no_unfinished_code() {
    let files = [
        "src",
        "data-stores/src",
        "reference-server/src",
        "tests",
        "data-stores/tests",
        "reference-server/tests",
    ];
    let files: Vec<_> = files.into_iter().flat_map(sources).collect();
    assert_none(&files, |file| found(&UNFINISHED, &file.text));
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
fn planted_forbidden_imports_are_found() {
    let wrong = |module, text| imports_against_the_flow(module, text);
    assert_eq!(
        wrong("cloud", "use crate::live::clock;"),
        ["imports live::clock"]
    );
    assert_eq!(
        wrong("measure", "use crate::{units::Won, verdict::{slo, audit}};"),
        ["imports verdict::slo", "imports verdict::audit"]
    );
    assert_eq!(
        wrong(
            "measure",
            "use crate::cloud::{notice::Notice, ControlPlane};"
        ),
        ["imports cloud::ControlPlane"]
    );
    assert_eq!(
        wrong("scenario", "let x = crate::cloud::order();"),
        ["imports cloud::order"]
    );
    assert_eq!(
        wrong("units", "use crate::rng::Streams;"),
        ["imports rng::Streams"]
    );
    assert!(wrong("live", "use crate::{buyer::Journey, testbed};").is_empty());
    assert!(
        wrong(
            "report",
            "use crate::verdict::Verdict;\nuse crate::report::page;"
        )
        .is_empty()
    );
}

#[test]
fn planted_impurities_are_found() {
    assert_eq!(impurities("use tokio::time;"), ["names tokio::time"]);
    assert_eq!(
        impurities("let file = std::fs::read(path);"),
        ["names std::fs"]
    );
    assert_eq!(
        impurities("use std::{collections::BTreeMap, net::{TcpStream, UdpSocket}};"),
        ["names std::net", "names std::net"]
    );
    assert_eq!(
        impurities("let now = Instant::now();"),
        ["reads a clock: Instant::now"]
    );
    assert!(impurities("use std::time::Duration;\nuse std::net::Ipv4Addr;").is_empty());
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

fn sources(folder: &str) -> Vec<File> {
    files_under(Path::new(folder), &["rs"])
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

/// The module at the library's top that a source file belongs to; `None` for the list of modules itself.
fn module_of(name: &str) -> Option<String> {
    let inner = name.strip_prefix("src/")?;
    let module = inner.split('/').next()?.trim_end_matches(".rs");
    (module != "lib").then(|| module.to_owned())
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

/// The first two parts of every path that begins with `root::`, groups in braces spread out.
fn paths(root: &str, text: &str) -> Vec<(String, String)> {
    let start = format!("{root}::");
    let mut found = Vec::new();
    for (at, _) in text.match_indices(&start) {
        let is_whole_word =
            !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if !is_whole_word {
            continue;
        }
        for tree in branches(&text[at + start.len()..]) {
            let (first, rest) = name(&tree);
            let rest = rest.strip_prefix("::").unwrap_or_default();
            for branch in branches(rest) {
                found.push((first.to_owned(), name(&branch).0.to_owned()));
            }
        }
    }
    found
}

/// The branches of a tree of imports: the parts of a group in braces, or the one path that is there.
fn branches(tree: &str) -> Vec<String> {
    let Some(group) = tree.strip_prefix('{') else {
        return vec![tree.to_owned()];
    };
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(String::new()),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                parts.last_mut().expect("begun with one").push(c);
            }
        }
    }
    let parts = parts.into_iter().map(|part| part.trim().to_owned());
    parts.filter(|part| !part.is_empty()).collect()
}

/// The name a text begins with, and what follows it.
fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text.split_at(end.unwrap_or(text.len()))
}

fn imports_against_the_flow(module: &str, code: &str) -> Vec<String> {
    let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == module);
    let allowed = allowed.map_or(&[][..], |(_, allowed)| allowed);
    let is_allowed = |first: &str, second: &str| {
        let path = format!("{first}::{second}");
        first == module || allowed.contains(&first) || allowed.contains(&path.as_str())
    };
    let against = paths("crate", code)
        .into_iter()
        .filter(|(first, second)| module != "main" && !is_allowed(first, second));
    against
        .map(|(first, second)| format!("imports {first}::{second}"))
        .collect()
}

fn impurities(code: &str) -> Vec<String> {
    /// Addresses are plain values: naming one opens nothing.
    const ADDRESSES: [&str; 4] = ["IpAddr", "Ipv4Addr", "SocketAddr", "SocketAddrV4"];
    let of_std = paths("std", code)
        .into_iter()
        .filter(|(first, second)| first != "net" || !ADDRESSES.contains(&second.as_str()))
        .map(|(first, _)| format!("std::{first}"))
        .filter(|path| FORBIDDEN_PATHS.contains(&path.as_str()));
    let of_tokio = paths("tokio", code)
        .into_iter()
        .map(|(first, _)| format!("tokio::{first}"));
    let named = of_std.chain(of_tokio).map(|path| format!("names {path}"));
    let clocks = CLOCK_READS.iter().filter(|read| code.contains(**read));
    named
        .chain(clocks.map(|read| format!("reads a clock: {read}")))
        .collect()
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
