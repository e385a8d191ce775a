//! Standard clients: npm `socket.io-client` on both transports, and `curl`.

use std::process::{Command, Output, Stdio};

use crate::case::{On, cases};
use crate::common::{Deployment, settings};

/// Version of the client library, from the wire contract.
const CLIENT: &str = "socket.io-client@4";

cases! {
    Embedded: [
        npm_socket_io_client_works_on_both_transports,
    ],
    Both: [
        curl_buys_a_ticket,
    ],
}

async fn npm_socket_io_client_works_on_both_transports(on: On) {
    if !present("node") || !present("npm") {
        return skip("node and npm are not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let install = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent", CLIENT])
        .current_dir(folder.path())
        .output()
        .unwrap();
    if !install.status.success() {
        return skip(&format!("npm cannot install {CLIENT}: {}", text(&install)));
    }
    let script = folder.path().join("client.js");
    std::fs::write(&script, include_str!("socket_io_client.js")).unwrap();
    let deployment = Deployment::start(&on, 2, settings()).await;
    for transport in ["websocket", "polling"] {
        let user = format!("node-{transport}");
        let (one, two) = (deployment.user(&user, 0), deployment.user(&user, 1));
        let seat = deployment.seat(match transport {
            "websocket" => "VIP-1-1",
            _ => "VIP-1-2",
        });
        let token = one.token.clone().unwrap();
        let show = deployment.show.id.to_string();
        let run = Command::new("node")
            .arg(&script)
            .args([transport, &one.base, &two.base, &token, &show, &seat])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{transport}: {}", text(&run));
        assert!(text(&run).contains("all well"), "{}", text(&run));
    }
}

async fn curl_buys_a_ticket(on: On) {
    if !present("curl") {
        return skip("curl is not installed");
    }
    let deployment = Deployment::start(&on, 1, settings()).await;
    let api = deployment.user("curl", 0);
    let token = api.token.clone().unwrap();
    let curl = |path: &str, body: Option<String>| -> serde_json::Value {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail-with-body"]);
        command.args(["-H", &format!("Authorization: Bearer {token}")]);
        if let Some(body) = &body {
            command.args(["-H", "Content-Type: application/json", "-d", body]);
        }
        let run = command.arg(format!("{}{path}", api.base)).output().unwrap();
        assert!(run.status.success(), "{path}: {}", text(&run));
        serde_json::from_slice(&run.stdout).unwrap()
    };
    let (show, seat) = (deployment.show.id, deployment.seat("VIP-2-5"));
    let check = curl(&format!("/api/queue/check/{show}"), Some(String::new()));
    assert_eq!(check["queued"], false);
    let hold = format!(r#"{{"eventId":"{show}","seatIds":["{seat}"]}}"#);
    let held = curl("/api/seats/reserve", Some(hold));
    let id = held["reservation"]["id"].as_str().unwrap();
    let pay = format!(r#"{{"reservationId":"{id}","paymentMethod":"bank_transfer"}}"#);
    let paid = curl("/api/payments/process", Some(pay));
    assert_eq!(paid["success"], true);
}

fn present(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null());
    command.stderr(Stdio::null()).status().is_ok()
}

/// Prints that nothing was tested. With `CI=true`, that is a failure.
#[expect(clippy::print_stdout, reason = "reports what was not tested")]
fn skip(reason: &str) {
    let decides = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!decides, "cannot test standard clients: {reason}");
    println!("SKIPPED: {reason}");
}

fn text(output: &Output) -> String {
    let parts = [&output.stdout, &output.stderr];
    parts.map(|part| String::from_utf8_lossy(part)).join("\n")
}
