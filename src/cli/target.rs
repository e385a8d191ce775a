//! The system under test, and the credentials of its buyers.

use std::path::Path;

use super::args::RunArguments;
use super::exit::{Exit, complain};
use super::input::Kind;
use super::source;
use tiketi_live::credential::Credentials;
use tiketi_live::sut::{Remote, Sut};
use tiketi_scenario::Plan;
use tiketi_scenario::arrival::arrival_times;

/// An existing system, and the credentials of its buyers.
#[derive(Debug)]
pub(super) struct Target {
    url: String,
    credentials: Credentials,
    is_owned: bool,
}

/// Returns the target of `--target` with the credentials read from their file; `None` for a run on the testbed.
pub(super) fn asked_for(flags: &RunArguments, plan: &Plan) -> Result<Option<Target>, Exit> {
    let Some(url) = &flags.target else {
        return Ok(None);
    };
    Ok(Some(Target {
        url: url.clone(),
        credentials: credentials(flags, plan)?,
        is_owned: flags.i_own_this_target,
    }))
}

/// Returns the system under test: the testbed, or the target if it may be put under load.
pub(super) async fn sut(target: Option<Target>, plan: &Plan) -> Result<Sut, Exit> {
    let Some(target) = target else {
        return Ok(Sut::Testbed);
    };
    Remote::admit(&target.url, plan, target.credentials, target.is_owned)
        .await
        .map(|remote| Sut::Remote(Box::new(remote)))
        .map_err(|refusal| {
            let hint = refusal.hint();
            complain(refusal, hint.as_deref());
            Exit::TargetRefused
        })
}

/// Reads and checks the buyers' credentials, before anything is sent to the target.
fn credentials(flags: &RunArguments, plan: &Plan) -> Result<Credentials, Exit> {
    let (path, credentials) = match (&flags.token_secret_file, &flags.tokens) {
        (Some(path), _) => {
            let secret = lines(path)?.remove(0);
            (path, Credentials::Minted { secret })
        }
        (None, Some(path)) => {
            let tokens = lines(path)?;
            (path, Credentials::Given { tokens })
        }
        (None, None) => {
            complain(
                "no credentials for the target",
                Some(
                    "pass --token-secret-file FILE (generate JWTs) or --tokens FILE (one per line)",
                ),
            );
            return Err(Exit::BadScenario);
        }
    };
    match credentials.users() {
        Ok(users) => {
            enough(users.filter(|_| !flags.reuse_tokens), path, plan)?;
            Ok(credentials)
        }
        Err(reason) => {
            complain(format_args!("{}: {reason}", path.display()), None);
            Err(Exit::BadScenario)
        }
    }
}

/// Checks that each buyer is a user of its own: a target would take two buyers with one token for the same person, who for
/// example never waits twice.
fn enough(users: Option<usize>, path: &Path, plan: &Plan) -> Result<(), Exit> {
    let buyers = arrival_times(plan).len();
    let Some(users) = users.filter(|users| *users < buyers) else {
        return Ok(());
    };
    complain(
        format_args!(
            "{}: the tokens are for {users} of {buyers} buyers (expected a user of its own for each)",
            path.display()
        ),
        Some(
            "add tokens, lower the number of buyers with --buyers, or pass --reuse-tokens to let buyers share them",
        ),
    );
    Err(Exit::BadScenario)
}

/// Reads the lines of a file that are not blank; fails if there is none.
fn lines(path: &Path) -> Result<Vec<String>, Exit> {
    let text = source::text(Kind::Credentials, path)?;
    let lines: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    if lines.is_empty() {
        complain(
            format_args!("{} is empty", path.display()),
            Some("write the secret, or one token per line, to the file"),
        );
        return Err(Exit::BadScenario);
    }
    Ok(lines)
}
