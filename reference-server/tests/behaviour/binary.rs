//! The server as a separate process: printed tokens, a free port, graceful shutdown.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use hyper::StatusCode;
use serde_json::json;
use tiketi_server::Settings;
use tokio::task::spawn_blocking;

use crate::case::{On, cases};
use crate::common::{Deployment, Tier, eventually, settings};
use crate::servers::Own;

const SERVER: &str = env!("CARGO_BIN_EXE_tiketi-server");

cases! {
    Servers: [
        the_server_uses_given_servers_and_rejects_foreign_data,
    ],
    Embedded: [
        a_printed_token_is_valid_for_a_server_with_the_same_secret,
        the_server_prints_its_address_and_shuts_down_gracefully,
        a_server_that_others_can_reach_needs_a_secret_of_its_own,
        help_shows_examples_and_a_bad_option_names_the_expected_values,
    ],
}

async fn a_printed_token_is_valid_for_a_server_with_the_same_secret(on: On) {
    let printed = |secret: &str| {
        let mut command = Command::new(SERVER);
        command.args(["--print-token", "kim@example.com", "--jwt-secret", secret]);
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let secret = "of this deployment";
    let deployment = Deployment::start(
        &on,
        1,
        Settings {
            jwt_secret: secret.to_owned(),
            ..settings()
        },
    )
    .await;
    let mut api = deployment.stranger(0);
    api.token = Some(printed(secret));
    assert_eq!(api.get("/api/seats/layouts").await.status, StatusCode::OK);
    api.token = Some(printed("of another one"));
    let refused = api.get("/api/seats/layouts").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

async fn the_server_prints_its_address_and_shuts_down_gracefully(_: On) {
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

async fn the_server_uses_given_servers_and_rejects_foreign_data(on: On) {
    let own = Own::Redis(std::time::Duration::ZERO);
    let deployment = Deployment::start_with(&on, 1, settings(), own).await;
    let Tier::Servers(servers) = &deployment.tier else {
        return;
    };
    deployment
        .user("kim", 0)
        .post(&deployment.path("/api/queue/check"), json!({}))
        .await;
    let (redis, database) = servers.urls();
    let server = |arguments: &[&str]| {
        let mut command = Command::new(SERVER);
        command
            .env("REDIS_URL", &redis)
            .env("DATABASE_URL", &database);
        command
            .args(["--port", "0", "--trust-tokens"])
            .args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // The relay to the servers runs on this case's own thread, which must not block.
    let mut foreign = server(&[]);
    let foreign = spawn_blocking(move || foreign.output().unwrap());
    let foreign = foreign.await.unwrap();
    assert_eq!(foreign.status.code(), Some(1));
    let reason = String::from_utf8(foreign.stderr).unwrap();
    assert!(
        reason.contains("didn't create") && reason.contains("hint: "),
        "{reason}"
    );
    let mut command = server(&["--prefix", "binary:", "--schema", "of_the_binary"]);
    let mut server = Server(command.spawn().unwrap());
    let lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let lines = spawn_blocking(|| lines.take(2).map(Result::unwrap).collect());
    let lines: Vec<String> = lines.await.unwrap();
    let mut api = deployment.user("lee", 0);
    api.base = lines[0].strip_prefix("listening on ").unwrap().to_owned();
    let (_, show) = lines[1].split_once(' ').unwrap();
    let show = show.split(':').next().unwrap();
    eventually("a purchase", || async {
        let check = api
            .post(&format!("/api/queue/check/{show}"), json!({}))
            .await;
        let seats = api.get(&format!("/api/seats/events/{show}")).await;
        check.json["queued"] == false && seats.json["seats"][0]["status"] == "available"
    })
    .await;
    assert_eq!(
        deployment.census().await.active,
        1,
        "the other server uses other keys"
    );
}

async fn a_server_that_others_can_reach_needs_a_secret_of_its_own(_: On) {
    let mut command = Command::new(SERVER);
    command.env_remove("JWT_SECRET");
    command.args(["--host", "0.0.0.0", "--port", "0"]);
    let mut server = Server(
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let lines = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let lines: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(server.0.wait().unwrap().code(), Some(1));
    assert!(lines[0].contains("publicly known"), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("hint: ")),
        "{lines:?}"
    );
}

async fn help_shows_examples_and_a_bad_option_names_the_expected_values(_: On) {
    let run = |args: &[&str]| Command::new(SERVER).args(args).output().unwrap();
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(help.contains("Examples:") && help.contains("--print-token"));
    let bad = run(&["--profile", "t3.huge"]);
    assert_eq!(bad.status.code(), Some(2));
    let reason = String::from_utf8(bad.stderr).unwrap();
    assert!(reason.contains("native or t3-medium-node"), "{reason}");
}

/// Stops the server even if the test fails.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Fails for a server that has exited already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
