//! Faults that real programs carry out, from their start to the end of the run.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use tiketi_core::fault::catalog::FaultKind;

fn fault(at: u64, lasts: u64, run: &[&str], end: &[&str]) -> Fault {
    Fault {
        at: SimTime::from_secs(at),
        lasts: Duration::from_secs(lasts),
        action: Action::Exec {
            name: None,
            run: words(run),
            end: words(end),
            timeout: Duration::from_secs(20),
        },
    }
}

struct Play {
    commands: Commands,
    folder: tempfile::TempDir,
    notices: Vec<Notice>,
}

impl Play {
    fn new(faults: Vec<Fault>) -> Self {
        let plan = tiketi_scenario::load(
            "x.toml",
            "name = \"x\"",
            &tiketi_scenario::Overrides::default(),
        );
        let mut plan = plan.expect("the preset is a valid scenario");
        plan.faults = faults;
        let folder = tempfile::tempdir().unwrap();
        let setting = Setting {
            target: "http://127.0.0.1:3000".to_owned(),
            folder: folder.path().to_owned(),
            seed: 7,
        };
        Self {
            commands: Commands::new(&plan, setting),
            folder,
            notices: Vec::new(),
        }
    }

    /// Handles this many reports at `second`.
    async fn hear(&mut self, second: u64, reports: usize) {
        let now = SimTime::from_secs(second);
        for _ in 0..reports {
            let news = self.commands.next().await;
            self.commands.handle(now, news);
        }
        self.notices.extend(self.commands.take_notices());
    }

    fn due(&mut self, second: u64) {
        self.commands.handle_timeout(SimTime::from_secs(second));
    }

    async fn end(
        mut self,
        is_interrupted: bool,
    ) -> (Vec<CommandRun>, Vec<String>, tempfile::TempDir) {
        self.commands.end_all(is_interrupted);
        self.commands.join(SimTime::from_secs(100)).await;
        let lines = self.commands.take_lines();
        (self.commands.finish(), lines, self.folder)
    }

    fn told(&self) -> Vec<(u64, bool, &str)> {
        let told = self.notices.iter().map(|notice| match &notice.what {
            What::FaultStruck { name, .. } => (notice.at.as_secs(), true, name.as_deref()),
            What::FaultHealed { name, .. } => (notice.at.as_secs(), false, name.as_deref()),
            other => panic!("{other:?}"),
        });
        told.map(|(at, is_start, name)| (at, is_start, name.expect("a name")))
            .collect()
    }
}

fn purposes(runs: &[CommandRun]) -> Vec<(Purpose, bool)> {
    let purposes = runs
        .iter()
        .map(|run| (run.purpose, run.outcome.is_failure()));
    purposes.collect()
}

#[tokio::test]
async fn a_fault_lasts_as_long_as_the_scenario_says_and_is_then_ended() {
    let mut play = Play::new(vec![fault(10, 5, &["echo", "on"], &["echo", "off"])]);
    assert_eq!(play.commands.poll_timeout(), Some(SimTime::from_secs(10)));
    play.due(9);
    assert!(!play.commands.is_busy());
    play.due(10);
    play.hear(10, 2).await;
    assert_eq!(play.commands.poll_timeout(), Some(SimTime::from_secs(15)));
    play.due(15);
    play.hear(15, 2).await;
    assert_eq!(play.told(), [(10, true, "echo on"), (15, false, "echo on")]);
    let (runs, lines, folder) = play.end(false).await;
    assert_eq!(
        purposes(&runs),
        [(Purpose::Start, false), (Purpose::End, false)]
    );
    assert!(lines.is_empty(), "{lines:?}");
    let file = folder.path().join(runs[0].output.as_ref().unwrap());
    let text = fs::read_to_string(file).unwrap();
    assert!(
        text.contains("## stdout\non\n") && text.contains("## stdout\noff\n"),
        "{text}"
    );
}

#[tokio::test]
async fn without_a_length_a_fault_lasts_until_its_command_exits() {
    let mut play = Play::new(vec![fault(10, 0, &["true"], &["echo", "off"])]);
    play.due(10);
    play.hear(11, 4).await;
    assert_eq!(play.told(), [(11, true, "true"), (11, false, "true")]);
    let (runs, ..) = play.end(false).await;
    assert_eq!(
        purposes(&runs),
        [(Purpose::Start, false), (Purpose::End, false)]
    );
}

#[tokio::test]
async fn a_command_that_still_runs_is_stopped_when_the_fault_ends_and_that_is_no_failure() {
    let mut play = Play::new(vec![fault(10, 5, &["sleep", "60"], &[])]);
    play.due(10);
    play.hear(10, 1).await;
    play.due(15);
    play.hear(15, 2).await;
    let (runs, lines, _folder) = play.end(false).await;
    assert_eq!(runs[0].outcome, CommandOutcome::Stopped);
    assert!(lines.is_empty(), "{lines:?}");
}

#[tokio::test]
async fn a_run_that_ends_early_ends_its_faults() {
    for is_interrupted in [false, true] {
        let mut play = Play::new(vec![fault(
            10,
            500,
            &["true"],
            &["sh", "-c", "echo undone; env | grep TIKETI_SIM"],
        )]);
        play.due(10);
        play.hear(10, 2).await;
        let (runs, lines, folder) = play.end(is_interrupted).await;
        assert_eq!(
            purposes(&runs),
            [(Purpose::Start, false), (Purpose::End, false)]
        );
        assert!(lines.is_empty(), "{lines:?}");
        let file = folder.path().join(runs[1].output.as_ref().unwrap());
        let text = fs::read_to_string(file).unwrap();
        for expected in [
            "undone",
            "TIKETI_SIM_TARGET=http://127.0.0.1:3000",
            "TIKETI_SIM_FAULT=true",
            "TIKETI_SIM_SEED=7",
            &format!("TIKETI_SIM_RUN={}", folder.path().display()),
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}

#[tokio::test]
async fn a_fault_whose_command_fails_is_reported_at_once_and_still_ended() {
    let script = "echo no such pod >&2; exit 4";
    let mut play = Play::new(vec![fault(10, 5, &["sh", "-c", script], &["true"])]);
    play.due(10);
    play.hear(10, 2).await;
    let lines = play.commands.take_lines();
    assert!(
        lines[0].contains("exited with code 4") && lines[0].contains("no such pod"),
        "{lines:?}"
    );
    play.due(15);
    play.hear(15, 2).await;
    let (runs, ..) = play.end(false).await;
    assert_eq!(
        purposes(&runs),
        [(Purpose::Start, true), (Purpose::End, false)]
    );
}

#[tokio::test]
async fn a_command_that_cannot_start_is_no_fault() {
    let mut play = Play::new(vec![fault(10, 5, &["no-such-program-here"], &["true"])]);
    play.due(10);
    play.hear(10, 1).await;
    play.due(15);
    assert!(play.told().is_empty());
    let (runs, lines, _folder) = play.end(false).await;
    assert_eq!(
        purposes(&runs),
        [(Purpose::Start, true)],
        "nothing was started, so nothing is ended"
    );
    assert!(lines[0].contains("`no-such-program-here`"), "{lines:?}");
}

#[tokio::test]
async fn a_timeout_is_a_failure() {
    let mut fault = fault(10, 50, &["sleep", "60"], &[]);
    if let Action::Exec { timeout, .. } = &mut fault.action {
        *timeout = Duration::from_millis(200);
    }
    let mut play = Play::new(vec![fault]);
    play.due(10);
    play.hear(10, 2).await;
    let (runs, lines, _folder) = play.end(false).await;
    assert_eq!(runs[0].outcome, CommandOutcome::TimedOut);
    assert!(lines[0].contains("timed out"), "{lines:?}");
}

/// A program `aws` that answers like the one of AWS, and notes how it was called.
fn fake_aws(folder: &Path, response: &str) -> PathBuf {
    let program = folder.join("aws");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}\ncat <<'EOF'\n{response}\nEOF\n",
        folder.join("calls").display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// Plays an experiment with the fake program in the place of `aws`.
async fn experiment(response: &str) -> (Vec<CommandRun>, String) {
    let folder = tempfile::tempdir().unwrap();
    let program = fake_aws(folder.path(), response).display().to_string();
    let fault = Fault {
        at: SimTime::from_secs(10),
        lasts: Duration::from_secs(5),
        action: Action::Fis {
            name: None,
            template: "EXT1a2b".to_owned(),
            timeout: Duration::from_secs(20),
        },
    };
    let mut work = Work::of(&fault);
    assert_eq!(work.run[0], "aws");
    work.run[0].clone_from(&program);
    let started = Program::start(&work.run, &[]).unwrap();
    let started = started.finish(std::future::pending()).await;
    if let Some(mut end) = work.end(&started) {
        assert_eq!(end[0], "aws");
        end[0] = program;
        let ended = Program::start(&end, &[]).unwrap();
        ended.finish(std::future::pending()).await;
    }
    let mut play = Play::new(vec![fault.clone()]);
    play.commands.started.push(Started {
        label: label(&fault.action).unwrap(),
        fault,
        wish_tx: watch::channel(Wish::Continue).0,
    });
    play.commands
        .note(SimTime::from_secs(10), 0, Purpose::Start, &started);
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    let (runs, ..) = play.end(false).await;
    (runs, calls)
}

#[tokio::test]
async fn an_experiment_of_fis_is_started_from_its_template_and_stopped_by_its_id() {
    let response = r#"{"experiment":{"id":"EXP9z8y","experimentTemplateId":"EXT1a2b","state":{"status":"initiating"}}}"#;
    let (runs, calls) = experiment(response).await;
    assert_eq!(
        calls,
        "fis start-experiment --experiment-template-id EXT1a2b --output json\n\
         fis stop-experiment --id EXP9z8y --output json\n"
    );
    assert_eq!(
        (runs[0].action, runs[0].fault.as_str()),
        (FaultKind::Fis, "EXT1a2b")
    );
    assert!(!runs[0].outcome.is_failure(), "{:?}", runs[0]);
}

#[tokio::test]
async fn an_experiment_without_an_id_cannot_be_stopped_and_that_is_a_failure() {
    for response in ["done", "{}", r#"{"experiment":{"id":"--profile"}}"#] {
        let (runs, calls) = experiment(response).await;
        assert_eq!(calls.lines().count(), 1, "{calls}");
        assert!(runs[0].outcome.is_failure(), "{:?}", runs[0]);
    }
}

#[test]
fn files_have_names_that_every_file_system_knows() {
    assert_eq!(file_name(0, "kill a pod"), "faults/1-kill-a-pod.txt");
    assert_eq!(file_name(9, "../../etc/passwd"), "faults/10-etc-passwd.txt");
    assert_eq!(file_name(1, "공연"), "faults/2.txt");
    assert!(file_name(0, &"x-".repeat(200)).len() < 60);
}
