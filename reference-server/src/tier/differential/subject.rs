//! A data tier under test, and the comparison of two of them.

use std::fmt;

use super::command::{Command, survey};
use super::reply::{Reply, State};

/// A data tier that carries out the commands of one case.
pub(super) trait Subject {
    /// Carries out a command, and returns the answers to its calls in order.
    async fn run(&mut self, command: &Command) -> Vec<Reply>;

    /// Returns what the tier holds. It may change that, so nothing can follow.
    async fn state(&mut self) -> State;
}

/// Where two tiers differ.
#[derive(Clone, Debug)]
pub(super) struct Disagreement {
    /// The command, and how many were carried out before it; `None` for the final state.
    step: Option<(usize, Command)>,
    first: String,
    second: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some((before, command)) => write!(f, "after {before} commands, {command:?}")?,
            None => write!(f, "final state")?,
        }
        write!(
            f,
            "\n  one tier: {}\n  the other: {}",
            self.first, self.second
        )
    }
}

/// Runs the same commands on both tiers and compares every answer, then the final state.
pub(super) async fn compare(
    first: &mut impl Subject,
    second: &mut impl Subject,
    commands: &[Command],
) -> Result<(), Disagreement> {
    let survey = survey();
    for (step, command) in commands.iter().chain(&survey).enumerate() {
        let one = first.run(command).await;
        let other = second.run(command).await;
        if one != other {
            return Err(Disagreement {
                step: Some((step, command.clone())),
                first: format!("{one:?}"),
                second: format!("{other:?}"),
            });
        }
    }
    let (one, other) = (first.state().await, second.state().await);
    if one == other {
        return Ok(());
    }
    Err(Disagreement {
        step: None,
        first: format!("{one:#?}"),
        second: format!("{other:#?}"),
    })
}
