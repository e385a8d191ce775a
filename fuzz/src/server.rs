//! Requests to the reference server.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use tiketi_server::{EmbeddedTier, Instance, Section, Settings, Show, mint_token};

/// How long the server may think about one input.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stands for a valid credential in an input: a fuzzer cannot sign one.
const TOKEN: &[u8] = b"TOKEN";
/// Stands for the id of the show on sale.
const SHOW: &[u8] = b"SHOW";

/// An instance that lives as long as the process.
struct Deployment {
    instance: Instance,
    token: String,
    show: String,
}

/// Sends the bytes to an instance over a connection of its own and reads until the instance closes it.
///
/// # Panics
///
/// If the instance stops answering.
pub fn server_request(bytes: &[u8]) {
    static DEPLOYMENT: OnceLock<Deployment> = OnceLock::new();
    let deployment = DEPLOYMENT.get_or_init(Deployment::start);
    let request = replace(bytes, TOKEN, deployment.token.as_bytes());
    let request = replace(&request, SHOW, deployment.show.as_bytes());
    let address = deployment.instance.address();
    converse(address, &request);
    let health = converse(
        address,
        b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(
        health.starts_with(b"HTTP/1.1 200"),
        "the instance is not healthy"
    );
}

/// Sends `request`, and returns what arrives before the instance closes the connection. The instance may close it at any
/// moment; it may not keep it open after the last byte.
fn converse(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the instance accepts connections");
    for limit in [
        stream.set_read_timeout(Some(PATIENCE)),
        stream.set_write_timeout(Some(PATIENCE)),
    ] {
        limit.expect("a limit that is not zero is accepted");
    }
    let mut answer = Vec::new();
    let sent = stream
        .write_all(request)
        .and_then(|()| stream.shutdown(Shutdown::Write));
    let read = sent.and_then(|()| stream.read_to_end(&mut answer));
    if let Err(error) = read {
        let is_timeout = matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        );
        assert!(!is_timeout, "no answer within {PATIENCE:?}");
    }
    answer
}

impl Deployment {
    fn start() -> Self {
        let section = Section {
            name: "R".to_owned(),
            rows: 2,
            seats_per_row: 5,
            price: 1_000,
        };
        let show = Show::new("Night", vec![section]);
        let settings = Settings {
            trust_tokens: true,
            rate_limit: None,
            ..Settings::default()
        };
        let token = mint_token(
            &settings.jwt_secret,
            "a@b.kr",
            false,
            Duration::from_secs(86_400),
        );
        let tier = EmbeddedTier::new(&settings, vec![show.clone()], Duration::from_secs(1));
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let instance = Instance::start("fuzz", listener, tier, settings);
        Self {
            instance: instance.expect("an instance starts"),
            token,
            show: show.id.to_string(),
        }
    }
}

/// Replaces every occurrence of `word`.
fn replace(bytes: &[u8], word: &[u8], by: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix(word) {
            replaced.extend_from_slice(by);
            rest = behind;
        } else {
            replaced.push(rest[0]);
            rest = &rest[1..];
        }
    }
    replaced
}
