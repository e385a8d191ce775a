//! Targets with `https`: which certificates the program accepts, and what it says about the others.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::time::Duration;

use crate::command::{Ended, Workplace};
use crate::small_server::SmallServer;
use crate::tls_front::TlsFront;
use serde_json::Value;

/// A small sale in real time, in which some buyers are admitted by a message.
const SALE: &str = r#"
name = "tls"
[clock]
duration = "8s"
warmup = "0s"
[[arrivals]]
shape = "onsale"
buyers = 8
opens_at = "500ms"
decay = "500ms"
until = "2s"
[buyers]
browse = "100ms"
seat_pick = "200ms"
seat_repick = "200ms"
payment = "300ms"
pays = 1.0
patience = "10m"
[gates]
"errors" = ["rate < 1%"]
[self_check]
send_lag_p99_max = "2s"
stall_max        = "5s"
"#;

/// A server behind TLS, and a folder with what its buyers need.
struct Staging {
    front: TlsFront,
    server: SmallServer,
    workplace: Workplace,
}

impl Staging {
    fn start(demands_client: bool) -> Self {
        Self::offering(demands_client, &[])
    }

    fn offering(demands_client: bool, offered: &[&[u8]]) -> Self {
        let server = SmallServer::start(20, Duration::from_millis(100));
        let front = TlsFront::offering(server.address, demands_client, offered);
        let workplace = Workplace::new();
        workplace.write("sale.toml", SALE);
        workplace.write("secret.txt", "secret\n");
        workplace.write("ca.pem", &front.authority);
        workplace.write("client.pem", &front.client);
        Self {
            front,
            server,
            workplace,
        }
    }

    fn ended(&self, command: &[&str], flags: &[&str]) -> Ended {
        let url = format!("https://127.0.0.1:{}", self.front.port);
        let target = ["--target", &url, "--token-secret-file", "secret.txt"];
        self.workplace.run(&[command, &target, flags].concat())
    }

    fn probe(&self, flags: &[&str]) -> Ended {
        self.ended(&["probe"], flags)
    }

    /// Runs the sale. Returns the end and `summary.json`.
    fn run(&self, flags: &[&str]) -> (Ended, Value) {
        let ended = self.ended(&["run", "sale.toml"], flags);
        let runs = std::fs::read_dir(self.workplace.path("reports"));
        let run = runs.unwrap_or_else(|_| panic!("{ended:?}")).next().unwrap();
        let summary = std::fs::read(run.unwrap().path().join("summary.json")).unwrap();
        (ended, serde_json::from_slice(&summary).unwrap())
    }
}

#[test]
fn the_load_accepts_the_named_authority_with_the_named_server() {
    let staging = Staging::start(false);
    let flags = ["--ca", "ca.pem", "--server-name", "shop.example"];
    let (ended, summary) = staging.run(&flags);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(summary["left"][0]["buyers"], 8, "{}", ended.stdout);
    // Waiting buyers have a socket, which is behind TLS, too.
    assert!(staging.server.books().joined_queue >= 8);
    assert!(summary["run"]["target"]["certificates_unchecked"].is_null());
    let again = "--ca ca.pem --server-name shop.example";
    assert!(ended.stdout.contains(again), "{}", ended.stdout);
}

#[test]
fn buyers_speak_http2_if_the_target_offers_it() {
    let staging = Staging::offering(false, &[b"h2", b"http/1.1"]);
    let (ended, summary) = staging.run(&["--insecure"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(summary["left"][0]["buyers"], 8, "{}", ended.stdout);
    assert_eq!(summary["run"]["target"]["http2"], true);
    assert!(ended.stdout.contains(" (HTTP/2) "), "{}", ended.stdout);
    // The socket is HTTP/1.1, as in browsers.
    assert!(staging.server.books().joined_queue >= 8);
    let forced = staging.probe(&["--insecure", "--http", "1.1"]);
    assert_eq!(forced.code, Some(0), "{forced:?}");
    let without = Staging::start(false);
    let refused = without.probe(&["--insecure", "--http", "2"]);
    assert_eq!(refused.code, Some(92), "{refused:?}");
    let said = "it does not offer HTTP/2\n\nhint: leave out `--http 2`";
    assert!(refused.stderr.contains(said), "{refused:?}");
    let plain = format!("http://{}", without.server.address);
    let ended = without.workplace.run(&[
        "probe",
        "--target",
        &plain,
        "--http",
        "2",
        "--token-secret-file",
        "secret.txt",
    ]);
    assert_eq!(ended.code, Some(92), "{ended:?}");
    assert!(ended.stderr.contains("`--http 2` needs https"), "{ended:?}");
}

#[test]
fn the_report_says_that_certificates_were_not_checked() {
    let staging = Staging::start(true);
    let (ended, summary) = staging.run(&["--insecure", "--client-cert", "client.pem"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(summary["run"]["target"]["certificates_unchecked"], true);
    let said = "(certificates not checked: --insecure)";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    let warning = "Warning: certificates are not checked (--insecure)";
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
}

#[test]
fn a_certificate_that_is_not_accepted_is_named_with_what_helps() {
    let staging = Staging::start(false);
    let refused = |flags: &[&str], words: &str, hint: &str| {
        let ended = staging.probe(flags);
        assert_eq!(ended.code, Some(92), "{ended:?}");
        let port = staging.front.port;
        let url = format!("cannot reach the target: GET https://127.0.0.1:{port}/");
        for expected in [&url, words, hint] {
            assert!(ended.stderr.contains(expected), "{expected}: {ended:?}");
        }
    };
    refused(
        &[],
        "certificate of an unknown authority: CN=Staging Root",
        "`--ca FILE`",
    );
    refused(
        &["--ca", "ca.pem"],
        "certificate is for shop.example, not 127.0.0.1",
        "`--server-name NAME`",
    );
    let ended = staging.probe(&["--insecure"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = "Certificates are not checked (--insecure).";
    assert!(ended.stdout.starts_with(said), "{ended:?}");
}

#[test]
fn a_client_certificate_is_read_from_one_file_or_two() {
    let staging = Staging::start(true);
    let flags = ["--ca", "ca.pem", "--server-name", "shop.example"];
    let ended = staging.probe(&flags);
    assert_eq!(ended.code, Some(92), "{ended:?}");
    let said = "it demands a client certificate";
    assert!(ended.stderr.contains(said), "{ended:?}");
    assert!(ended.stderr.contains("--client-key FILE"), "{ended:?}");
    let one = [&flags[..], &["--client-cert", "client.pem"]].concat();
    assert_eq!(staging.probe(&one).code, Some(0));
    let key = staging.front.client.find("-----BEGIN PRIVATE").unwrap();
    let (certificate, key) = staging.front.client.split_at(key);
    staging.workplace.write("certificate.pem", certificate);
    staging.workplace.write("key.pem", key);
    let alone = [&flags[..], &["--client-cert", "certificate.pem"]].concat();
    let ended = staging.probe(&alone);
    assert_eq!(ended.code, Some(104), "{ended:?}");
    let said = "certificate.pem: it has no private key";
    assert!(ended.stderr.contains(said), "{ended:?}");
    assert!(ended.stderr.contains("--client-key FILE"), "{ended:?}");
    let two = [&alone[..], &["--client-key", "key.pem"]].concat();
    assert_eq!(staging.probe(&two).code, Some(0));
}

#[test]
fn files_and_names_that_cannot_be_used_are_errors() {
    let staging = Staging::start(false);
    let refused = |flags: &[&str], words: &str| {
        let ended = staging.probe(flags);
        assert_eq!(ended.code, Some(104), "{ended:?}");
        assert!(ended.stderr.contains(words), "{ended:?}");
        assert!(ended.stderr.contains("hint: "), "{ended:?}");
    };
    refused(
        &["--ca", "secret.txt"],
        "secret.txt: it has no certificate (expected PEM",
    );
    refused(
        &["--server-name", "https://a"],
        "--server-name: `https://a` cannot be the name of a server",
    );
    let missing = staging.probe(&["--ca", "none.pem"]);
    assert_eq!(missing.code, Some(104));
    let said = "certificate file not found: none.pem";
    assert!(missing.stderr.contains(said), "{missing:?}");
}
