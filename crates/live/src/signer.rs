//! The program that adds to requests what only code can compute (`[sign]` of a mapping): one child process per load worker.
//!
//! Each request becomes one line of JSON with a number, and the program answers with lines in any order: a slow line delays only its
//! own request. A program that ends, is late, or writes something else ends the load, because no request would be as it should.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{Method, Uri};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::http::Outgoing;
use tiketi_api::{Mapping, Role, Sign, Values, mask};

/// Longest line of the program. It is an answer to one request, whose headers no server would accept at this length.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Lines that wait for the program to read them. More buyers than that wait for their turn, within their timeout.
const LINES_WAITING_MAX: usize = 1_024;
/// How much of what the program wrote to its standard error is shown if it ends.
const WORDS_BYTES_MAX: usize = 512;
/// Time that a program which has closed its output has to end before the end is reported without its status.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Headers that belong to the connection, which a program cannot set.
const RESERVED: [&str; 5] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
];

/// What the program was asked for and could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program `{command}` (`sign` of the API mapping) {what}")]
pub struct SignError {
    /// The program and its arguments.
    command: String,
    /// What it did, as the predicate of a sentence.
    what: String,
}

/// One request, as the program reads it.
#[derive(Serialize)]
struct Question<'q> {
    id: u64,
    role: &'q str,
    method: &'q str,
    /// With the query.
    path: String,
    /// As it would be sent; empty without one.
    body: &'q str,
    /// Those that the mapping names; `null` for one without a value.
    variables: BTreeMap<&'q str, Option<String>>,
}

/// What the program adds to one request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    id: u64,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    body: Map<String, Value>,
    /// Why it cannot add anything.
    error: Option<String>,
}

/// What the tasks around the program share.
struct Shared {
    command: String,
    waiting: RefCell<BTreeMap<u64, oneshot::Sender<Reply>>>,
    failure: RefCell<Option<SignError>>,
    failed: Notify,
}

/// The program of a mapping. It is started with the first request that needs it.
pub(super) struct Signer {
    sign: Sign,
    shared: Rc<Shared>,
    lines_tx: RefCell<Option<mpsc::Sender<String>>>,
    next: Cell<u64>,
}

impl Signer {
    /// Prepares the program; `None` if the mapping has none.
    pub(super) fn of(mapping: &Mapping) -> Option<Self> {
        let sign = mapping.sign.clone()?;
        Some(Self {
            shared: Rc::new(Shared {
                command: sign.command(),
                waiting: RefCell::default(),
                failure: RefCell::default(),
                failed: Notify::new(),
            }),
            sign,
            lines_tx: RefCell::default(),
            next: Cell::new(1),
        })
    }

    /// Returns the request with what the program adds to it.
    pub(super) async fn sign(
        &self,
        role: &Role,
        outgoing: Outgoing,
        values: &impl Values,
    ) -> Result<Outgoing, SignError> {
        if !role.is_signed {
            return Ok(outgoing);
        }
        let id = self.next.replace(self.next.get() + 1);
        let line = self.question(id, role, &outgoing, values);
        let lines_tx = self.started()?;
        let (reply_tx, reply_rx) = oneshot::channel();
        self.shared.waiting.borrow_mut().insert(id, reply_tx);
        let answered = async {
            if lines_tx.send(line).await.is_err() {
                return Err(self.failure().await);
            }
            match reply_rx.await {
                Ok(reply) => Ok(reply),
                Err(_) => Err(self.failure().await),
            }
        };
        let late = || {
            let seconds = self.sign.timeout.as_secs_f64();
            let what = format!(
                "did not answer a request of `{}` within {seconds} s",
                role.name
            );
            Err(self.shared.fail(what))
        };
        let reply = timeout(self.sign.timeout, answered)
            .await
            .unwrap_or_else(|_| late())?;
        with(outgoing, reply).map_err(|what| self.shared.fail(what))
    }

    /// Waits until the program has failed, and returns why.
    pub(super) async fn failure(&self) -> SignError {
        loop {
            if let Some(failure) = self.shared.failure.borrow().clone() {
                return failure;
            }
            self.shared.failed.notified().await;
        }
    }

    fn question(&self, id: u64, role: &Role, outgoing: &Outgoing, values: &impl Values) -> String {
        let variables = self.sign.variables.iter().map(|(name, variable)| {
            let value = values.value(*variable);
            (name.as_str(), value.map(|value| value.text.into_owned()))
        });
        let question = Question {
            id,
            role: &role.name,
            method: outgoing.method.as_str(),
            path: outgoing.uri.to_string(),
            body: std::str::from_utf8(&outgoing.body).expect("bodies are rendered from text"),
            variables: variables.collect(),
        };
        let mut line = serde_json::to_string(&question).expect("the keys are texts");
        line.push('\n');
        line
    }

    /// Returns the way to the program, which is started if it was not yet.
    fn started(&self) -> Result<mpsc::Sender<String>, SignError> {
        if let Some(failure) = self.shared.failure.borrow().clone() {
            return Err(failure);
        }
        let mut known = self.lines_tx.borrow_mut();
        if let Some(lines_tx) = known.as_ref() {
            return Ok(lines_tx.clone());
        }
        let started = start(&self.sign, &self.shared);
        let lines_tx = started.map_err(|error| {
            let what = format!("cannot be started: {error}");
            self.shared.fail(what)
        })?;
        *known = Some(lines_tx.clone());
        Ok(lines_tx)
    }
}

impl Shared {
    /// Notes the first failure, which everybody who waits then gets. Returns it.
    fn fail(&self, what: String) -> SignError {
        let mut failure = self.failure.borrow_mut();
        let first = failure.get_or_insert_with(|| SignError {
            command: self.command.clone(),
            what,
        });
        self.waiting.borrow_mut().clear();
        // Both the worker and a buyer may wait. Later ones find it without waiting.
        self.failed.notify_waiters();
        self.failed.notify_one();
        first.clone()
    }

    /// Hands an answer to the request that it belongs to. An error says what is wrong with the line.
    fn handle_line(&self, line: &[u8]) -> Result<(), String> {
        let shown = || mask::body(line, &[]);
        let reply: Reply = serde_json::from_slice(line).map_err(|_| {
            format!(
                "wrote a line that is no answer: {} (expected JSON such as {})",
                shown(),
                r#"{"id":1,"headers":{"x-signature":"…"}}"#
            )
        })?;
        let waits = self.waiting.borrow_mut().remove(&reply.id);
        let reply_tx = waits.ok_or_else(|| {
            format!(
                "wrote an answer to a request that does not wait for one: {}",
                shown()
            )
        })?;
        // A buyer whose visit has ended does not read it.
        drop(reply_tx.send(reply));
        Ok(())
    }
}

/// Starts the program and the tasks that talk to it.
fn start(sign: &Sign, shared: &Rc<Shared>) -> std::io::Result<mpsc::Sender<String>> {
    let mut child = Command::new(&sign.run[0])
        .args(&sign.run[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal must only reach the supervisor; and what the program starts ends with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let pipe = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    let stdin = child.stdin.take().ok_or_else(pipe)?;
    let stdout = child.stdout.take().ok_or_else(pipe)?;
    let stderr = child.stderr.take().ok_or_else(pipe)?;
    let words = Rc::<RefCell<Vec<u8>>>::default();
    let program = Program::of(child);
    let (lines_tx, lines_rx) = mpsc::channel(LINES_WAITING_MAX);
    spawn_local(write(stdin, lines_rx));
    let drained = spawn_local(keep_last(stderr, Rc::clone(&words)));
    let shared = Rc::clone(shared);
    spawn_local(async move {
        let mut program = program;
        let what = match listen(stdout, &shared).await {
            Err(what) => what,
            Ok(()) => {
                let end = program.end().await;
                // What it started may keep the pipe open.
                drop(timeout(EXIT_TIMEOUT, drained).await);
                let words = mask::body(&words.borrow(), &[]);
                if words.is_empty() {
                    end
                } else {
                    format!("{end}, after it wrote: {words}")
                }
            }
        };
        let _failure = shared.fail(what);
    });
    Ok(lines_tx)
}

/// The process, with those that it has started. Dropping it kills all of them.
struct Program {
    child: Child,
    group: Option<Pid>,
}

impl Program {
    fn of(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            group: id.map(Pid::from_raw),
            child,
        }
    }

    /// Waits for its end, which its closed output announces. Returns it as the predicate of a sentence.
    async fn end(&mut self) -> String {
        match timeout(EXIT_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) => {
                // The number may belong to somebody else from now on.
                self.group = None;
                format!("ended with {status}")
            }
            Ok(Err(_)) | Err(_) => "closed its standard output".to_owned(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Fails only if all of them have ended.
            let _ended = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Writes lines until the program no longer reads them.
async fn write(mut stdin: ChildStdin, mut lines_rx: mpsc::Receiver<String>) {
    while let Some(line) = lines_rx.recv().await {
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads answers to the end of the program's output. An error is what the program did, as the predicate of a sentence.
async fn listen(stdout: ChildStdout, shared: &Shared) -> Result<(), String> {
    let mut lines = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut lines).take(LINE_BYTES_MAX as u64 + 1);
        let read = limited.read_until(b'\n', &mut line).await;
        let read = read.map_err(|error| format!("cannot be read: {error}"))?;
        if read == 0 {
            return Ok(());
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(format!("wrote a line of more than {LINE_BYTES_MAX} bytes"));
        }
        if !line.trim_ascii().is_empty() {
            shared.handle_line(line.trim_ascii())?;
        }
    }
}

/// Reads to the end, and keeps the last bytes.
async fn keep_last(mut from: impl AsyncRead + Unpin, words: Rc<RefCell<Vec<u8>>>) {
    let mut chunk = [0; 1_024];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        let mut words = words.borrow_mut();
        words.extend_from_slice(&chunk[..count]);
        let surplus = words.len().saturating_sub(WORDS_BYTES_MAX);
        words.drain(..surplus);
    }
}

/// Adds an answer to a request. An error is what is wrong with the answer, as the predicate of a sentence.
fn with(mut outgoing: Outgoing, reply: Reply) -> Result<Outgoing, String> {
    if let Some(error) = reply.error {
        let words = mask::body(error.as_bytes(), &[]);
        return Err(format!("refused a request: {words}"));
    }
    for (name, value) in reply.headers {
        let known = HeaderName::try_from(name.to_lowercase()).ok();
        let known = known.filter(|name| !RESERVED.contains(&name.as_str()));
        let known = known.ok_or_else(|| {
            format!("added the header `{name}` (expected a name such as `x-signature`)")
        })?;
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            format!("added the header `{name}` with characters that it cannot have")
        })?;
        value.set_sensitive(true);
        outgoing.headers.retain(|(other, _)| *other != known);
        outgoing.headers.push((known, value));
    }
    if !reply.query.is_empty() {
        outgoing.uri = with_query(&outgoing.uri, &reply.query)?;
    }
    if !reply.body.is_empty() {
        if outgoing.method == Method::GET {
            return Err("added to the body of a GET request, which has none".to_owned());
        }
        let mut body = Map::new();
        if !outgoing.body.is_empty() {
            body = serde_json::from_slice(&outgoing.body)
                .map_err(|_| "added to a body that is not a JSON object".to_owned())?;
        }
        body.extend(reply.body);
        outgoing.body = Value::Object(body).to_string().into();
    }
    Ok(outgoing)
}

fn with_query(uri: &Uri, added: &BTreeMap<String, String>) -> Result<Uri, String> {
    let mut text = uri.to_string();
    for (name, value) in added {
        text.push(if text.contains('?') { '&' } else { '?' });
        percent_encode(name, &mut text);
        text.push('=');
        percent_encode(value, &mut text);
    }
    text.parse()
        .map_err(|_| "added to the query what is not valid in a URL".to_owned())
}

fn percent_encode(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
}

/// Reads a line of the program as the answer to a request. Returns whether it is one.
#[cfg(feature = "fuzzing")]
pub(super) fn read_line(line: &[u8]) -> bool {
    let outgoing = Outgoing {
        method: Method::POST,
        uri: Uri::from_static("/pay?a=1"),
        host: None,
        body: bytes::Bytes::from_static(b"{\"a\":1}"),
        headers: Vec::new(),
        has_bearer: false,
        is_idempotent: false,
    };
    let reply = serde_json::from_slice(line).ok();
    reply.is_some_and(|reply| with(outgoing, reply).is_ok())
}

#[cfg(test)]
#[path = "signer_tests.rs"]
mod tests;
