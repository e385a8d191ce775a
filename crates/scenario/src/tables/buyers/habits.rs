//! Further habits of buyers, such as reloads and second tabs, and what they need elsewhere in the scenario.

use crate::arrival::{ArrivalPhase, opening};
use crate::diagnostic::Problem;
use crate::keys::kind::{Length, OneOf, Or, Shares, Whole};
use crate::keys::{Keys, key};
use crate::plan::{Bots, Expired, Login, Plan, PollStep, Reload, Target, Temperament};
use crate::tables::limits;
use crate::tables::topology::LIVE;
use tiketi_api::{Mapping, RoleName};

use super::Distributions;

pub(super) fn login(keys: &mut Keys<'_, '_, Login>) -> Option<Login> {
    let window = keys.value(
        key(
            "window",
            "Time before the sale opens within which buyers log in who come after the opening, each at a random time; `none` if everybody logs in on arrival.",
        )
        .only(&LIVE),
        Or("none", Length(limits::SPAN)),
        |login| login.window,
    );
    let expired = keys.value(
        key(
            "expired",
            "What a buyer does when the session has ended, which is a response with 401: `retries` as after any failure, `logs-in` again and goes on, `leaves` the sale.",
        )
        .only(&LIVE),
        OneOf::<Expired>::new(),
        |login| login.expired,
    );
    Some(Login {
        window: window?,
        expired: expired?,
    })
}

pub(super) fn reload(keys: &mut Keys<'_, '_, Reload>) -> Option<Reload> {
    let share = keys.value(
        key("share", "Share of the buyers who do."),
        Shares::Any,
        |reload| reload.share,
    );
    let every = keys.value(
        key(
            "every",
            "Time in the queue before they do, and from then on between two reloads.",
        ),
        Distributions,
        |reload| reload.every,
    );
    Some(Reload {
        share: share?,
        every: every?,
    })
}

pub(super) fn bots(keys: &mut Keys<'_, '_, Bots>) -> Option<Bots> {
    let share = keys.value(
        key("share", "Share of the buyers who are programs."),
        Shares::Any,
        |bots| bots.share,
    );
    let poll = keys.value(
        key("poll", "Time between two polls of a bot that waits."),
        Length(limits::PAUSE),
        |bots| bots.poll,
    );
    Some(Bots {
        share: share?,
        poll: poll?,
    })
}

pub(super) fn poll_step(keys: &mut Keys<'_, '_, PollStep>) -> Option<PollStep> {
    let beyond = keys.value(
        key(
            "beyond",
            "Position in the queue; it is for buyers further back.",
        ),
        Whole(limits::POSITION),
        |step| step.beyond,
    );
    let every = keys.value(
        key("every", "Time between two polls."),
        Length(limits::PAUSE),
        |step| step.every,
    );
    Some(PollStep {
        beyond: beyond?,
        every: every?,
    })
}

/// Rejects steps out of order: the last that applies would not be the one for the position.
pub(super) fn check_ascending(keys: &Keys<'_, '_, Temperament>, steps: &[PollStep]) {
    let wrong = steps
        .windows(2)
        .find(|pair| pair[0].beyond >= pair[1].beyond);
    if let Some([before, after]) = wrong {
        let message = format!(
            "`beyond = {}` comes after `beyond = {}`",
            after.beyond, before.beyond
        );
        let problem = Problem::new(message).expected("ascending positions");
        let problem = problem.help("sort the entries by `beyond`, the smallest first");
        keys.complain(&["poll_by_position"], problem);
    }
}

/// Reports habits that nothing in the scenario gives an occasion for.
pub(in crate::tables) fn check(
    keys: &Keys<'_, '_, Plan>,
    buyers: Option<&Temperament>,
    arrivals: Option<&[ArrivalPhase]>,
    target: Option<&Target>,
) {
    let (Some(root), Some(buyers)) = (keys.read(), buyers) else {
        return;
    };
    let mapping = target
        .filter(|target| target.api.is_some())
        .map(Target::mapping);
    let login = root.peek("buyers").peek("login");
    if buyers.login.window.is_some() {
        if arrivals.is_some_and(|phases| opening(phases).is_none()) {
            let problem = Problem::new(
                "no phase of `arrivals` has an opening that buyers could log in before",
            );
            let problem = problem.expected("a phase with `shape = \"onsale\"`");
            login.complain(
                &["window"],
                problem.help("add such a phase, or leave `window` out"),
            );
        }
        let roles = [RoleName::Register, RoleName::Login, RoleName::Setup];
        if lacks(mapping.as_ref(), &roles) {
            let problem = Problem::new("the API mapping has no request that a buyer sends once");
            let problem = problem.expected("one of the roles `register`, `login`, `setup`");
            login.complain(
                &["window"],
                problem.help("add the role to the mapping, or leave `window` out"),
            );
        }
    }
    if buyers.login.expired == Expired::LogsIn && lacks(mapping.as_ref(), &[RoleName::Login]) {
        let problem = Problem::new("the API mapping has no request that logs a buyer in");
        let problem = problem.expected("the role `login`");
        let problem =
            problem.help("add the role to the mapping, or write \"retries\" or \"leaves\"");
        login.complain(&["expired"], problem);
    }
    if let Some(mapping) = mapping.filter(|_| !buyers.poll_by_position.is_empty()) {
        let queue = [RoleName::QueueEnter, RoleName::QueueStatus];
        let mut roles = queue.into_iter().filter_map(|name| mapping.role(name));
        if !roles.any(tiketi_api::Role::states_position) {
            let message =
                "the API mapping does not say where a response has the position in the queue";
            let problem =
                Problem::new(message).expected("`place` in `queue_enter` or `queue_status`");
            let problem = problem
                .help("add a line such as `place = { position = \"/position\" }` to the role");
            root.peek("buyers").complain(&["poll_by_position"], problem);
        }
    }
}

/// Whether the mapping has none of these roles.
fn lacks(mapping: Option<&Mapping>, roles: &[RoleName]) -> bool {
    mapping.is_some_and(|mapping| roles.iter().all(|name| mapping.role(*name).is_none()))
}

#[cfg(test)]
mod tests {
    use crate::{Overrides, load};

    const PAYMENT: &str =
        "[target.api.payment]\ncall = \"POST /pay\"\nmeans = [{ is = \"paid\" }]\n";
    const LOGIN: &str = "[target.api.login]\ncall = \"POST /login\"\n";

    fn problems(text: &str) -> String {
        match load("x.toml", text, &Overrides::default()) {
            Ok(_) => String::new(),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn a_login_window_needs_an_opening_and_a_login() {
        let window = "buyers.login.window = \"1m\"\n";
        assert_eq!(problems(window), "", "of the preset, on any target");
        assert_eq!(problems(&format!("{window}{PAYMENT}{LOGIN}")), "");
        let found = problems(&format!("{window}{PAYMENT}"));
        assert!(
            found.contains("no request that a buyer sends once"),
            "{found}"
        );
        let steady = "[[arrivals]]\nshape = \"poisson\"\nrate = 1\n";
        let found = problems(&format!("{window}{steady}"));
        assert!(
            found.contains("no phase of `arrivals` has an opening"),
            "{found}"
        );
        assert!(found.contains("x.toml:1"), "{found}");
    }

    #[test]
    fn logging_in_again_needs_a_login() {
        let again = "buyers.login.expired = \"logs-in\"\n";
        assert_eq!(problems(&format!("{again}{PAYMENT}{LOGIN}")), "");
        let found = problems(&format!("{again}{PAYMENT}"));
        assert!(found.contains("no request that logs a buyer in"), "{found}");
    }

    #[test]
    fn polling_by_position_needs_positions() {
        let steps = "buyers.poll_by_position = [{ beyond = 9, every = \"9s\" }]\n";
        assert_eq!(problems(steps), "");
        let found = problems(&format!("{steps}{PAYMENT}"));
        assert!(found.contains("the position in the queue"), "{found}");
        let queue = "[target.api.queue_status]\ncall = \"GET /queue\"\nplace = { position = \"/position\" }\n\
                     means = [{ is = \"queued\" }]\n[target.api.queue_enter]\ncall = \"POST /queue\"\nmeans = [{ is = \"queued\" }]\n";
        assert_eq!(problems(&format!("{steps}{PAYMENT}{queue}")), "");
    }

    #[test]
    fn polling_by_position_is_in_order() {
        let steps = "buyers.poll_by_position = [{ beyond = 9, every = \"9s\" }, { beyond = 9, every = \"20s\" }]\n";
        let found = problems(steps);
        assert!(
            found.contains("`beyond = 9` comes after `beyond = 9`"),
            "{found}"
        );
    }
}
