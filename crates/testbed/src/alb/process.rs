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

/// Is the whole of a node process: runs on standard input and output until the supervisor ends it or is gone.
pub fn main() -> Result<(), ChildError> {
    child::main::<AlbNode>()
}
