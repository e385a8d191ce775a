//! What the supervisor, guards and holders tell each other: JSON lines.
//!
//! No message contains a secret: passwords are in files that only the server's user can read.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::containment::{Job, Program};
use crate::shared_memory::SharedMemory;

/// The first line that a process of this role reads: what it has to do.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Task {
    /// Guard one directory and the server in it.
    Guard(Claim),
    /// Start one program for a guard, and end with the guard.
    Hold(Job),
    /// Become the program of a holder.
    Become(Program),
}

/// What a guard looks after from the start.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Claim {
    /// The server's directory, which need not exist yet.
    pub(crate) directory: PathBuf,
    /// Log file for the output of everything that is started.
    pub(crate) log: PathBuf,
}

/// What a guard has to start.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    /// User and group of everything that is started; `None` means those of the guard.
    pub(crate) ids: Option<(u32, u32)>,
    /// Steps before the server starts, in order.
    pub(crate) steps: Vec<Step>,
    /// The server.
    pub(crate) server: Invocation,
    /// How to free the server's shared memory; `None` if it has none.
    pub(crate) shared_memory: Option<SharedMemory>,
}

/// A step before the server starts.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Step {
    /// Runs a program that must succeed.
    Run(Invocation),
    /// Creates an empty file.
    Touch(PathBuf),
}

/// A program with its arguments. Its environment contains only the variables named here and a few fixed ones.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// A report on a server.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum Report {
    /// It is running.
    Running {
        /// Its process id.
        pid: i32,
    },
    /// It, or a step before it, failed.
    Failed {
        /// What failed, and how.
        how: String,
    },
    /// It exited.
    Ended {
        /// How.
        how: String,
    },
}

/// A message to a guard that has a claim.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Said {
    /// Start a server.
    Order(Order),
    /// End.
    Ending(Ending),
}

/// What to do with the directory at the end.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum Ending {
    /// Remove it.
    Remove,
    /// Keep it for the next server.
    Keep,
    /// The process that gave the order is gone: remove it, and the directory of all servers if it was the last one.
    Orphaned,
}

/// Reads one message; `None` at the end of the input, and for anything else.
pub(crate) fn read_line<T: DeserializeOwned>(input: &mut impl BufRead) -> Option<T> {
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// Writes one message.
pub(crate) fn say(output: &mut impl Write, message: &impl Serialize) {
    let line = serde_json::to_string(message).expect("a message is always valid JSON");
    // Fails only if the reader is gone. Then the input ends, too.
    drop(writeln!(output, "{line}").and_then(|()| output.flush()));
}
