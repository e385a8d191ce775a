//! Exit codes: a documented interface, so that pipelines can tell a failed gate from an invalid file.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use tiketi_core::shown::on_lines;
use tiketi_server_url::redacted;
use tiketi_verdict::Trouble;
use tiketi_verdict::agreement::Conclusion;

/// How a command ended, in order of precedence: the greatest of several decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything passed.
    Success,
    /// The run is worse than the baseline, or the model is outside its tolerance.
    WorseThanBaseline,
    /// A gate failed, or a search found no configuration that passes.
    GateFailed,
    /// An audit failed.
    AuditViolated,
    /// The measurement is unreliable, or could not be made, printed or written.
    Inconclusive,
    /// The user interrupted the command.
    Interrupted,
    /// The target may not be put under load.
    TargetRefused,
    /// The scenario or the configuration is invalid.
    BadScenario,
    /// The command line is not valid.
    Usage,
}

impl Exit {
    /// Returns the exit code of the process.
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
            Self::Usage => 2,
        }
    }
}

impl From<Trouble> for Exit {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Interrupted => Self::Interrupted,
            Trouble::Inconclusive | Trouble::NotMeasured => Self::Inconclusive,
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

/// Prints an error in the format of all commands, with the hint on its own line. Passwords of URLs are hidden.
pub(super) fn complain(error: impl Display, hint: Option<&str>) {
    let hint = hint.map_or_else(String::new, |hint| format!("\nhint: {hint}\n"));
    let text = redacted(&format!("error: {error}\n{hint}"));
    // If stderr is closed there is no other way to reach the user.
    // Errors quote files, paths and servers.
    let _gone = std::io::stderr()
        .lock()
        .write_all(on_lines(&text).as_bytes());
}

/// Ends a child process; the supervisor reads the error from the child's stderr.
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
    fn exit_codes_have_the_documented_precedence() {
        let mut endings = [
            Exit::Success,
            Exit::WorseThanBaseline,
            Exit::AuditViolated,
            Exit::GateFailed,
            Exit::TargetRefused,
            Exit::Inconclusive,
            Exit::BadScenario,
            Exit::Interrupted,
            Exit::Usage,
        ];
        endings.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(
            endings.map(Exit::code),
            [2, 104, 92, 105, 91, 90, 99, 93, 0]
        );
    }
}
