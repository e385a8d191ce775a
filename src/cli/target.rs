//! Which system is put under test, and how its buyers prove who they are.

use std::fs;
use std::path::Path;

use super::args::RunArguments;
use super::exit::{Exit, complain};
use tiketi_live::credential::Credentials;
use tiketi_live::sut::{Remote, Sut};
use tiketi_scenario::Plan;

/// The system under test: the testbed, or what `--target` names if the guard admits it.
pub(super) async fn sut(flags: &RunArguments, plan: &Plan) -> Result<Sut, Exit> {
    let Some(url) = &flags.target else {
        return Ok(Sut::Testbed);
    };
    let credentials = credentials(flags)?;
    Remote::admit(url, plan, credentials, flags.i_own_this_target)
        .await
        .map(Sut::Remote)
        .map_err(|refusal| {
            complain(refusal, None);
            Exit::TargetRefused
        })
}

/// The buyers' credentials, checked before the target hears anything.
fn credentials(flags: &RunArguments) -> Result<Credentials, Exit> {
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
                "a target needs to know its buyers",
                Some(
                    "give --token-secret-file FILE (tokens are minted) or --tokens FILE (one a line)",
                ),
            );
            return Err(Exit::BadScenario);
        }
    };
    match credentials.check() {
        Ok(()) => Ok(credentials),
        Err(reason) => {
            complain(format_args!("{}: {reason}", path.display()), None);
            Err(Exit::BadScenario)
        }
    }
}

/// The lines of a file that say something; at least one.
fn lines(path: &Path) -> Result<Vec<String>, Exit> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        complain(format_args!("{name}: cannot be read: {error}"), None);
        Exit::BadScenario
    })?;
    let lines: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    if lines.is_empty() {
        complain(
            format_args!("{name}: holds nothing"),
            Some("put the secret, or one token a line, into the file"),
        );
        return Err(Exit::BadScenario);
    }
    Ok(lines)
}
