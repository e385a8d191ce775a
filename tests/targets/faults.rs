//! The verdict on a target: a small server with one planted fault, tested by the program, which must name the fault.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use serde_json::Value;

use crate::command::{Ended, Workplace};
use crate::faulty_target::{Fault, FaultyTarget};

/// Twenty buyers for four shopping slots; nothing of it takes long. The queue has to stand still for 20 s to be a finding.
const SALE: &str = r#"
name = "faulty"
[clock]
duration = "28s"
warmup   = "0s"
[[arrivals]]
shape    = "onsale"
buyers   = 20
opens_at = "500ms"
decay    = "500ms"
[buyers]
browse      = "100ms"
seat_pick   = "300ms"
seat_repick = "200ms"
payment     = "500ms"
pays        = 1.0
patience    = "10m"
conflicts_max = 5
[gates]
"errors" = ["rate < 50%"]
[self_check]
send_lag_p99_max = "2s"
stall_max        = "5s"
"#;

/// The end of a run, and its `summary.json`; `None` if there was no run.
struct Tested {
    ended: Ended,
    summary: Option<Value>,
    requests: u32,
}

fn tested(fault: Fault) -> Tested {
    let server = FaultyTarget::start(fault, 4);
    let workplace = Workplace::new();
    workplace.write("sale.toml", SALE);
    workplace.write("secret.txt", "secret\n");
    let flags = ["--target", &server.url, "--token-secret-file", "secret.txt"];
    let ended = workplace.run(&[&["run", "sale.toml"][..], &flags].concat());
    let folder = std::fs::read_dir(workplace.path("reports"));
    let folder = folder.ok().and_then(|mut runs| runs.next());
    let summary = folder.map(|run| {
        let text = std::fs::read(run.unwrap().path().join("summary.json"));
        serde_json::from_slice(&text.unwrap()).unwrap()
    });
    Tested {
        ended,
        summary,
        requests: server.requests(),
    }
}

impl Tested {
    fn violated(&self) -> Vec<&str> {
        let audits = self.summary.as_ref().unwrap()["audits"].as_array().unwrap();
        let violated = audits.iter().filter(|audit| audit["verdict"] == "violated");
        violated
            .map(|audit| audit["audit"].as_str().unwrap())
            .collect()
    }

    #[track_caller]
    fn assert_found(&self, code: i32, audits: &[&str]) {
        let report = &self.ended.stdout;
        assert_eq!(self.violated(), audits, "{report}");
        assert_eq!(self.ended.code, Some(code), "{report}");
        for word in [
            "testbed",
            "VPC",
            "NAT gateway",
            "Architecture",
            "hush",
            "\u{1b}",
        ] {
            assert!(!report.contains(word), "{word}: {report}");
        }
        assert!(report.contains("show “One <i>Night</i>”"), "{report}");
    }
}

/// Tests a target on a thread of its own: the runs take as long as their scenario, and need little of the machine.
fn all(faults: &[Fault]) -> Vec<Tested> {
    let running: Vec<_> = faults
        .iter()
        .map(|fault| {
            let fault = *fault;
            std::thread::spawn(move || tested(fault))
        })
        .collect();
    let ended = running.into_iter().map(|one| one.join().unwrap());
    ended.collect()
}

#[test]
fn planted_faults_are_named_and_a_healthy_target_passes() {
    let [healthy, twice, zombie, stuck, refused]: [Tested; 5] = all(&[
        Fault::None,
        Fault::SoldTwice,
        Fault::ZombieHold,
        Fault::NobodyAdmitted,
        Fault::HoldsRefused,
    ])
    .try_into()
    .unwrap_or_else(|_| panic!("five runs"));
    healthy.assert_found(0, &[]);
    assert!(
        healthy
            .ended
            .stdout
            .contains("Yes, as far as buyers can see")
    );
    twice.assert_found(90, &["no_double_sale"]);
    zombie.assert_found(90, &["holds_succeed", "refused_holds_lock_nothing"]);
    stuck.assert_found(90, &["queue_moves"]);
    let report = &stuck.ended.stdout;
    assert!(
        report.contains("buyers waited, none of them was admitted"),
        "{report}"
    );
    refused.assert_found(90, &["holds_succeed"]);
    let report = &refused.ended.stdout;
    assert!(report.starts_with("█ Findings"), "{report}");
    assert!(
        report.contains(r"Cannot read properties of undefined <b>\u001b[31m ***"),
        "{report}"
    );
    assert!(report.contains("programming error"), "{report}");
    assert!(
        report.contains("curl -i -X POST 'http://127.0.0.1:"),
        "{report}"
    );
}

#[test]
fn lost_buyers_and_wrong_words_about_payments_are_named() {
    let [dropped, failed, stale]: [Tested; 3] =
        all(&[Fault::Dropped, Fault::PaidButFailed, Fault::StaleMap])
            .try_into()
            .unwrap_or_else(|_| panic!("three runs"));
    dropped.assert_found(90, &["admissions_conserved"]);
    failed.assert_found(90, &["payments_reported_correctly"]);
    stale.assert_found(90, &["sold_seats_stay_sold"]);
}

#[test]
fn a_target_that_does_not_know_the_buyer_gets_no_load() {
    let refused = tested(Fault::UnknownUser);
    let words = &refused.ended.stderr;
    assert_eq!(refused.ended.code, Some(92), "{words}");
    assert!(words.contains("/api/queue/status/"), "{words}");
    assert!(
        words.contains("401 Unauthorized: {\"error\":\"USER_NOT_FOUND\"}"),
        "{words}"
    );
    assert!(
        words.contains("hint: the target does not accept the token"),
        "{words}"
    );
    assert!(refused.summary.is_none(), "a run was started");
    assert_eq!(refused.requests, 1, "one buyer asked once");
}

#[test]
fn too_few_tokens_are_refused_before_anything_is_sent() {
    let server = FaultyTarget::start(Fault::None, 4);
    let workplace = Workplace::new();
    workplace.write("sale.toml", SALE);
    // {"userId":"00000000-0000-0000-0000-000000000001"}
    let claims = "eyJ1c2VySWQiOiIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDEifQ";
    let token = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.c2ln\n");
    workplace.write("tokens.txt", token.repeat(20));
    let run = |more: &[&str]| {
        let flags = [
            "run",
            "sale.toml",
            "--target",
            &server.url,
            "--tokens",
            "tokens.txt",
        ];
        workplace.run(&[&flags[..], more].concat())
    };
    let refused = run(&[]);
    assert_eq!(refused.code, Some(104), "{refused:?}");
    let words =
        "tokens.txt: tokens for 1 users are too few for 20 buyers (expected 20, one for each)";
    assert!(refused.stderr.contains(words), "{refused:?}");
    assert!(
        refused.stderr.contains("target.reuse_users = true"),
        "{refused:?}"
    );
    assert_eq!(server.requests(), 0);
    workplace.write(
        "sale.toml",
        format!("{SALE}\n[target]\nreuse_users = true\n"),
    );
    let allowed = run(&["--duration", "3s"]);
    assert!([Some(0), Some(91)].contains(&allowed.code), "{allowed:?}");
}
