//! The network between buyers and the system.

use crate::access::{Access, AccessProfile};
use crate::diagnostic::Problem;
use crate::keys::kind::{Length, Number, OneOf, Or, Shares};
use crate::keys::{Keys, key};
use crate::tables::limits;

pub(super) fn network(keys: &mut Keys<'_, '_, Access>) -> Option<Access> {
    let profile = keys.value(
        key(
            "profile",
            "What buyers have. `auto` is `fiber` for a target on this machine, and otherwise `none`.",
        ),
        OneOf::<AccessProfile>::new(),
        |access| access.profile,
    );
    let name = profile.map(AccessProfile::name);
    keys.defaults_by("profile", "network_profile", name);
    let delay = keys.value(
        key(
            "delay",
            "How much later each packet arrives, in either direction: a round trip takes twice as much longer.",
        ),
        Length(limits::ACCESS_DELAY),
        |access| access.delay,
    );
    let jitter = keys.value(
        key("jitter", "How much the delay varies, up and down."),
        Length(limits::PACKET_JITTER),
        |access| access.jitter,
    );
    let loss = keys.value(
        key(
            "loss",
            "Share of the packets that are lost, in either direction; TCP sends them again.",
        ),
        Shares::Any,
        |access| access.loss,
    );
    let bandwidth = keys.value(
        key(
            "bandwidth",
            "Megabits per second that a buyer receives; `none` for no limit.",
        ),
        Or("none", Number(limits::BANDWIDTH)),
        |access| access.bandwidth,
    );
    let access = Access {
        profile: profile?,
        delay: delay?,
        jitter: jitter?,
        loss: loss?,
        bandwidth: bandwidth?,
    };
    check_profile(keys, access);
    Some(access)
}

/// Rejects figures that no profile applies.
fn check_profile(keys: &Keys<'_, '_, Access>, access: Access) {
    let is_stated = |key| {
        let value = keys.read().and_then(|section| section.find(key));
        value.is_some_and(|value| value.is_in_file())
    };
    let figures = ["delay", "jitter", "loss", "bandwidth"];
    let Some(stated) = figures.into_iter().find(|key| is_stated(key)) else {
        return;
    };
    let is_unused = match access.profile {
        // What a run keeps as its scenario states all keys.
        AccessProfile::Auto => !is_stated("profile"),
        AccessProfile::None => {
            access
                != Access {
                    profile: AccessProfile::None,
                    ..Access::default()
                }
        }
        AccessProfile::Fiber
        | AccessProfile::Cable
        | AccessProfile::Lte
        | AccessProfile::ThirdGeneration => false,
    };
    if is_unused {
        let profile = access.profile.name();
        let message = format!(
            "`{stated}` changes nothing where the `profile` of the network is \"{profile}\""
        );
        let problem = Problem::new(message).expected("a `profile` such as \"fiber\" beside it");
        let problem =
            problem.help("state a `profile`; what you state besides replaces its figures");
        keys.complain(&[stated], problem);
    }
}
