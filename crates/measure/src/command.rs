//! How the user's own commands that carried out faults ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::SimTime;

/// One command of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRun {
    /// The kind of fault.
    pub action: FaultKind,
    /// The name of the fault in reports.
    pub fault: String,
    /// What the command is for.
    pub purpose: Purpose,
    /// When it had ended, in scenario time.
    pub at: SimTime,
    /// How long it took, in real time.
    pub took: Duration,
    /// How it ended.
    pub outcome: CommandOutcome,
    /// The last line that it wrote, without secrets; `None` if it wrote nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_line: Option<String>,
    /// File in the run's folder with the beginning and the end of what it wrote; `None` if it could not be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// It starts the fault.
    Start,
    /// It ends the fault.
    End,
}

impl Purpose {
    /// Returns the key of the scenario that has such a command.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "run",
            Self::End => "end",
        }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ended")]
pub enum CommandOutcome {
    /// It exited by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal of somebody else ended it.
    Killed {
        /// The number of the signal.
        signal: i32,
    },
    /// It still ran when the fault was over, as planned, and was ended.
    Stopped,
    /// It took longer than its timeout, and was killed with its processes.
    TimedOut,
    /// It exited without an error, but what it wrote cannot be used.
    Unusable {
        /// Why not, as a sentence fragment.
        reason: String,
    },
    /// It could not be started.
    NotStarted {
        /// Why not, as a sentence fragment.
        reason: String,
    },
}

impl CommandOutcome {
    /// Whether it cannot be known that the command did what it is for.
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Exited { code } => *code != 0,
            Self::Stopped => false,
            Self::Killed { .. }
            | Self::TimedOut
            | Self::Unusable { .. }
            | Self::NotStarted { .. } => true,
        }
    }
}

impl CommandRun {
    /// Returns how it ended, as a sentence fragment: `exited with code 1 after 0.2 s`.
    pub fn ended(&self) -> String {
        let took = self.took.as_secs_f64();
        match &self.outcome {
            CommandOutcome::Exited { code } => format!("exited with code {code} after {took:.1} s"),
            CommandOutcome::Killed { signal } => {
                format!("was killed by signal {signal} after {took:.1} s")
            }
            CommandOutcome::Stopped => {
                format!("was stopped after {took:.1} s, when the fault ended")
            }
            CommandOutcome::TimedOut => {
                format!("timed out after {took:.1} s and was killed with its processes")
            }
            CommandOutcome::Unusable { reason } => {
                format!("exited with code 0 after {took:.1} s, but {reason}")
            }
            CommandOutcome::NotStarted { reason } => format!("could not be started: {reason}"),
        }
    }

    /// Returns everything that is known, as a sentence fragment: `` exec "kill a pod": `run` exited with code 1 …``.
    pub fn in_words(&self) -> String {
        let mut words = format!(
            "{} \"{}\": `{}` {}",
            self.action,
            self.fault,
            self.purpose.name(),
            self.ended()
        );
        if let Some(line) = &self.last_line {
            words.push_str("; its last line: ");
            words.push_str(line);
        }
        if let Some(output) = &self.output {
            words.push_str(" (output: ");
            words.push_str(output);
            words.push(')');
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_command_that_did_its_work_or_was_stopped_as_planned_is_no_failure() {
        let reason = "it is not there".to_owned();
        let outcomes = [
            (CommandOutcome::Exited { code: 0 }, false),
            (CommandOutcome::Stopped, false),
            (CommandOutcome::Exited { code: 1 }, true),
            (CommandOutcome::Killed { signal: 9 }, true),
            (CommandOutcome::TimedOut, true),
            (
                CommandOutcome::Unusable {
                    reason: reason.clone(),
                },
                true,
            ),
            (CommandOutcome::NotStarted { reason }, true),
        ];
        for (outcome, is_failure) in outcomes {
            assert_eq!(outcome.is_failure(), is_failure, "{outcome:?}");
        }
    }

    #[test]
    fn the_words_name_fault_command_ending_and_output() {
        let run = CommandRun {
            action: FaultKind::Exec,
            fault: "kill a pod".to_owned(),
            purpose: Purpose::Start,
            at: SimTime::from_secs(60),
            took: Duration::from_millis(230),
            outcome: CommandOutcome::Exited { code: 1 },
            last_line: Some("no such pod".to_owned()),
            output: Some("faults/1-kill-a-pod.txt".to_owned()),
        };
        assert_eq!(
            run.in_words(),
            "exec \"kill a pod\": `run` exited with code 1 after 0.2 s; its last line: no such pod \
             (output: faults/1-kill-a-pod.txt)"
        );
    }
}
