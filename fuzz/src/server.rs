//! Requests to the reference server.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use tiketi_server::{EmbeddedTier, Instance, Section, Settings, Show, mint_token};

/// How long the server may think about one input.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the client waits for another byte before it closes its side: an instance without other work answers within a
/// few milliseconds.
const SILENCE: Duration = Duration::from_millis(30);

/// A request after which the instance closes the connection.
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

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
    provoke(address, &[&request, HEALTH].concat());
    assert!(is_healthy(address), "the instance is not healthy");
}

/// Sends the bytes and reads until the instance closes the connection. The instance may close it at any moment; it may not keep
/// it open when the client has closed its side.
fn provoke(address: SocketAddr, bytes: &[u8]) {
    let mut stream = connect(address);
    if stream.write_all(bytes).is_err() {
        return;
    }
    // A client that closes its side at once would cancel its requests.
    wait_for(&stream, SILENCE);
    let mut answer = Vec::new();
    if stream.read_to_end(&mut answer).is_ok() || stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    wait_for(&stream, PATIENCE);
    if let Err(error) = stream.read_to_end(&mut answer) {
        let is_timeout = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(
            !is_timeout,
            "the connection is still open after {PATIENCE:?}"
        );
    }
}

fn is_healthy(address: SocketAddr) -> bool {
    let mut stream = connect(address);
    let mut answer = Vec::new();
    let asked = stream
        .write_all(HEALTH)
        .and_then(|()| stream.read_to_end(&mut answer));
    asked.is_ok() && answer.starts_with(b"HTTP/1.1 200")
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the instance accepts connections");
    wait_for(&stream, PATIENCE);
    stream
}

/// Limits how long one read or write may wait.
fn wait_for(stream: &TcpStream, limit: Duration) {
    for set in [
        stream.set_read_timeout(Some(limit)),
        stream.set_write_timeout(Some(limit)),
    ] {
        set.expect("a limit that is not zero is accepted");
    }
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
