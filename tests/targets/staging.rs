//! A TIKETI deployment that looks up its users, as the README's section on systems of your own describes it.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tiketi_server::{EmbeddedTier, Instance, Section, Settings, Show};

use crate::command::{Ended, Workplace};

const SECRET: &str = "only-we-know-it";

/// A server that knows only users who have registered.
fn deployment() -> Instance {
    let settings = Settings {
        jwt_secret: SECRET.to_owned(),
        ..Settings::default()
    };
    let section = Section {
        name: "A".to_owned(),
        rows: 2,
        seats_per_row: 10,
        price: 1_000,
    };
    let show = Show::new("small", vec![section]);
    let tier = EmbeddedTier::new(&settings, vec![show], Duration::from_secs(1));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    Instance::start("deployment", listener, tier, settings).unwrap()
}

/// Registers a user, as the back end's own pages would.
fn register(instance: &Instance, user: &str) {
    let mut stream = TcpStream::connect(instance.address()).unwrap();
    let head = "POST /api/auth/register HTTP/1.1\r\nhost: deployment\r\nconnection: close\r\ncontent-type: application/json";
    let length = user.len();
    write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{user}").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
}

fn probe(instance: &Instance, workplace: &Workplace, more: &[&str]) -> Ended {
    let url = format!("http://{}", instance.address());
    workplace.run(&[&["probe", "--target", &url][..], more].concat())
}

#[test]
fn buyers_log_in_where_generated_tokens_are_rejected() {
    let (instance, workplace) = (deployment(), Workplace::new());
    workplace.write("secret.txt", SECRET);
    let rejected = probe(
        &instance,
        &workplace,
        &["--token-secret-file", "secret.txt"],
    );
    assert_ne!(rejected.code, Some(0), "{rejected:?}");
    assert!(rejected.stdout.contains("User not found"), "{rejected:?}");

    let user = json!({ "email": "kim@example.com", "password": "secret-1", "name": "Kim" });
    register(&instance, &user.to_string());
    workplace.write("users.csv", "email,password\nkim@example.com,secret-1\n");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let api = root.join("scenarios/apis/tiketi-login.toml");
    let api = api.display().to_string();
    let bought = probe(
        &instance,
        &workplace,
        &["--api", &api, "--users", "users.csv"],
    );
    instance.kill();
    instance.join();
    assert_eq!(bought.code, Some(0), "{bought:?}");
    assert!(
        bought.stdout.contains("The buyer has a ticket."),
        "{bought:?}"
    );
    assert!(!bought.stdout.contains("secret-1"), "{bought:?}");
}
