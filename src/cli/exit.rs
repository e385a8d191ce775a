//! Exit codes: documented API, so that pipelines can tell a failed gate from a bad file.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use tiketi_verdict::Trouble;
use tiketi_verdict::agreement::Conclusion;

/// How a command ended, the more serious the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All well.
    Success,
    /// Worse than the baseline, or the model is off by more than it may be.
    WorseThanBaseline,
    /// A gate failed.
    GateFailed,
    /// An audit was violated.
    AuditViolated,
    /// The measurement cannot be trusted, or could not be made.
    Inconclusive,
    /// Interrupted by the user.
    Interrupted,
    /// The target was refused by the guard.
    TargetRefused,
    /// A bad scenario or configuration.
    BadScenario,
}

impl Exit {
    /// The code a shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::WorseThanBaseline => Conclusion::Beyond.exit_code(),
            Self::GateFailed => Trouble::GateFailed.exit_code(),
            Self::AuditViolated => Trouble::AuditViolated.exit_code(),
            Self::Inconclusive => Trouble::Inconclusive.exit_code(),
            Self::Interrupted => Trouble::Interrupted.exit_code(),
            Self::TargetRefused => 92,
            Self::BadScenario => 104,
        }
    }
}

impl From<Trouble> for Exit {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Interrupted => Self::Interrupted,
            Trouble::Inconclusive => Self::Inconclusive,
            Trouble::AuditViolated => Self::AuditViolated,
            Trouble::GateFailed => Self::GateFailed,
        }
    }
}

impl From<Conclusion> for Exit {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Within => Self::Success,
            Conclusion::Beyond => Self::WorseThanBaseline,
            Conclusion::Inconclusive => Self::Inconclusive,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Prints an error the way every command does, with a hint on a line of its own if there is one.
pub(super) fn complain(error: impl Display, hint: Option<&str>) {
    // Nothing is left to tell the user if even stderr is gone.
    let mut stderr = std::io::stderr().lock();
    let _gone = writeln!(stderr, "error: {error}");
    if let Some(hint) = hint {
        let _gone = writeln!(stderr, "\nhint: {hint}");
    }
}

/// How a child process ends: its supervisor reads the error from the child's stderr.
pub(super) fn of_child(role: &str, outcome: Result<(), impl Display>) -> Exit {
    match outcome {
        Ok(()) => Exit::Success,
        Err(error) => {
            complain(format_args!("{role}: {error}"), None);
            Exit::Inconclusive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_endings_the_documented_first_is_the_greatest() {
        let mut endings = [
            Exit::Success,
            Exit::WorseThanBaseline,
            Exit::AuditViolated,
            Exit::GateFailed,
            Exit::TargetRefused,
            Exit::Inconclusive,
            Exit::BadScenario,
            Exit::Interrupted,
        ];
        endings.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(endings.map(Exit::code), [104, 92, 105, 91, 90, 99, 93, 0]);
    }
}
