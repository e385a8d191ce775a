//! The system under test, and the credentials of its buyers.

use std::path::Path;

use super::allow_exec;
use super::args::{RunArguments, TargetArguments};
use super::exit::{Exit, complain};
use super::input::Kind;
use super::source;
use super::users;
use tiketi_api::{Tree, Variable};
use tiketi_live::credential::{CredentialError, Credentials};
use tiketi_live::sut::{Remote, Sut};
use tiketi_live::target::{Destination, Refusal};
use tiketi_scenario::{Plan, arrival_times};

/// An existing system, and the credentials of its buyers.
#[derive(Debug)]
pub(super) struct Target {
    destination: Destination,
    credentials: Credentials,
}

/// Returns the target of `--target` with the credentials read from their file; `None` for a run on the testbed.
pub(super) fn asked_for(flags: &RunArguments, plan: &Plan) -> Result<Option<Target>, Exit> {
    let Some(url) = &flags.target else {
        return Ok(None);
    };
    allow_exec::check(plan, flags.allow_exec)?;
    let buyers = arrival_times(plan).len();
    Ok(Some(Target {
        destination: Destination {
            url: url.clone(),
            trust: flags.connection.trust()?,
            http: flags.connection.version(),
            is_owned: flags.i_own_this_target,
        },
        credentials: credentials(&flags.buyers_of_target, plan, buyers)?,
    }))
}

/// Returns the system under test: the testbed, or the target if it may be put under load.
pub(super) async fn sut(target: Option<Target>, plan: &Plan) -> Result<Sut, Exit> {
    let Some(target) = target else {
        return Ok(Sut::Testbed);
    };
    let admission = Remote::admit(&target.destination, plan, target.credentials);
    Box::pin(admission)
        .await
        .map(|remote| Sut::Remote(Box::new(remote)))
        .map_err(|refusal| refused(&refusal))
}

/// Prints why a target is not used.
pub(super) fn refused(refusal: &Refusal) -> Exit {
    complain(refusal, refusal.hint().as_deref());
    if matches!(refusal, Refusal::Unsigned(_)) {
        // It says nothing about the target.
        return Exit::Inconclusive;
    }
    Exit::TargetRefused
}

impl TargetArguments {
    /// Reads the API mapping of `--api`; `None` without one.
    pub(super) fn mapping(&self) -> Result<Option<Tree>, Exit> {
        self.api.as_deref().map(source::mapping).transpose()
    }
}

/// Reads and checks the credentials of this many buyers, before anything is sent to the target.
pub(super) fn credentials(
    flags: &TargetArguments,
    plan: &Plan,
    buyers: usize,
) -> Result<Credentials, Exit> {
    let mapping = &plan.target.mapping();
    let (path, credentials) = match (&flags.token_secret_file, &flags.tokens, &flags.users) {
        (Some(path), _, _) => {
            let secret = lines(path)?.remove(0);
            (Some(path), Credentials::Minted { secret })
        }
        (None, Some(path), _) => {
            let tokens = lines(path)?;
            (Some(path), Credentials::Given { tokens })
        }
        (None, None, Some(path)) => (Some(path), users::read(path)?),
        (None, None, None) => (None, Credentials::None),
    };
    let needs_token = mapping.uses(Variable::Token) && !mapping.keeps(Variable::Token);
    if path.is_none() && needs_token {
        complain(
            "no credentials for the target",
            Some("pass --token-secret-file FILE (generate JWTs) or --tokens FILE (one per line)"),
        );
        return Err(Exit::BadScenario);
    }
    let checked = credentials.check(mapping);
    let checked = checked.and_then(|()| {
        if plan.target.reuse_users {
            return Ok(());
        }
        credentials.check_share(mapping, buyers)
    });
    checked.map_err(|reason| {
        let hint = match (&reason, path) {
            (CredentialError::TooFewUsers { .. }, _) => Some(
                "add users, lower the number of buyers with --buyers, or set `target.reuse_users = true` in the scenario to let \
                 buyers share them",
            ),
            (_, Some(_)) => None,
            (_, None) => Some("pass --users FILE (a CSV file, one buyer per row)"),
        };
        match path {
            Some(path) => complain(format_args!("{}: {reason}", path.display()), hint),
            None => complain(reason, hint),
        }
        Exit::BadScenario
    })?;
    Ok(credentials)
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
