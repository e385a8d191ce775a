//! A node as a child process.

use std::io;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::message::{Answer, Command, NodeSettings};
use super::node;
use crate::child::{self, ChildError, Role};

/// The role of a process of a load-balancer node.
#[derive(Clone, Copy, Debug)]
pub struct AlbNode;

impl Role for AlbNode {
    const SUBCOMMAND: &'static str = "alb-node";
    type Settings = NodeSettings;
    type Command = Command;
    type Answer = Answer;

    fn run(
        settings: NodeSettings,
        commands: UnboundedReceiver<Command>,
        answers: UnboundedSender<Answer>,
    ) -> impl Future<Output = io::Result<()>> + Send {
        node::run(settings, commands, answers)
    }
}

/// Runs a node process on standard input and output until the supervisor stops it or exits.
///
/// # Errors
///
/// When the settings or a command cannot be read, or the node cannot listen.
pub fn main() -> Result<(), ChildError> {
    child::main::<AlbNode>()
}
