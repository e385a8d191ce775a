//! The server as a process of its own: tokens on request, a free port, a graceful end.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use hyper::StatusCode;
use tiketi_server::Settings;

use crate::common::{Deployment, settings};

const SERVER: &str = env!("CARGO_BIN_EXE_tiketi-server");

#[tokio::test]
async fn a_printed_token_is_good_for_a_server_with_the_same_secret() {
    let printed = |secret: &str| {
        let mut command = Command::new(SERVER);
        command.args(["--print-token", "kim@example.com", "--jwt-secret", secret]);
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let secret = "of this deployment";
    let deployment = Deployment::start(
        1,
        Settings {
            jwt_secret: secret.to_owned(),
            ..settings()
        },
    );
    let mut api = deployment.stranger(0);
    api.token = Some(printed(secret));
    assert_eq!(api.get("/api/seats/layouts").await.status, StatusCode::OK);
    api.token = Some(printed("of another one"));
    let refused = api.get("/api/seats/layouts").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[test]
fn the_server_says_where_it_listens_and_ends_well_when_asked_to() {
    let mut server = Server(
        Command::new(SERVER)
            .args(["--port", "0", "--instances", "2"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let lines: Vec<String> = lines.take(3).map(Result::unwrap).collect();
    for line in &lines[..2] {
        let address = line.strip_prefix("listening on http://").unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok(), "{address}");
    }
    assert!(lines[2].ends_with("TIKETI Demo Night"), "{}", lines[2]);
    let id = server.0.id().to_string();
    let kill = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(kill.success());
    assert!(
        server.0.wait().unwrap().success(),
        "SIGTERM is not a failure"
    );
}

#[test]
fn help_shows_examples_and_a_bad_option_says_what_is_legal() {
    let run = |args: &[&str]| Command::new(SERVER).args(args).output().unwrap();
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(help.contains("Examples:") && help.contains("--print-token"));
    let bad = run(&["--profile", "t3.huge"]);
    assert_eq!(bad.status.code(), Some(2));
    let reason = String::from_utf8(bad.stderr).unwrap();
    assert!(reason.contains("native, t3-medium-node"), "{reason}");
}

/// Ends the server also when a test fails.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has ended already needs no ending.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
