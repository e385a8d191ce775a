//! Starts each buyer at the planned time, no matter how the system under test responds: an open workload.

use std::rc::Rc;

use tokio::task::{spawn_local, yield_now};
use tokio::time::sleep_until;

use super::credential::Credential;
use super::driver::Visit;
use super::share::Coming;
use super::world::World;
use tiketi_buyer::observation::{Observation, Start};
use tiketi_core::units::BuyerId;

/// Buyers that are started in a row before other tasks get a turn.
const BATCH: u32 = 32;

/// Starts the buyers of `arrivals`, which are in order of time. At most `buyers_max` are in progress at once; further
/// arrivals are shed. Both these and buyers without a credential are counted.
pub(super) async fn pace(
    world: Rc<World>,
    arrivals: impl Iterator<Item = Coming>,
    buyers_max: u64,
) {
    let mut in_a_row = 0;
    for coming in arrivals {
        let (buyer, intended) = (coming.buyer, coming.at);
        if intended > world.clock.now() {
            sleep_until(world.clock.wall_instant(intended)).await;
            in_a_row = 0;
        } else if in_a_row == BATCH {
            yield_now().await;
            in_a_row = 0;
        }
        in_a_row += 1;
        let now = world.clock.now();
        let (credential, start) = admit(&world, buyer, buyers_max);
        world.observe(&Observation::Arrival {
            intended,
            sent: now,
            start,
        });
        if let Some(credential) = credential {
            let visit = Visit::new(&world, buyer, credential, now);
            spawn_local(match coming.page_at {
                Some(page_at) => visit.logging_in(page_at),
                None => visit,
            });
        }
    }
}

/// Returns the credential of a buyer who can start, or why it cannot.
fn admit(world: &World, buyer: BuyerId, buyers_max: u64) -> (Option<Credential>, Start) {
    if world.tally.buyers.get() >= buyers_max {
        return (None, Start::Shed);
    }
    match world.issuer.credential(buyer) {
        Ok(credential) => (Some(credential), Start::Started),
        Err(error) => {
            world.tally.handle_credential_error(&error);
            (None, Start::NoCredential)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tiketi_measure::Assembly;
    use tiketi_scenario::{Overrides, Plan, load};
    use tokio::task::LocalSet;
    use uuid::Uuid;

    use super::*;
    use crate::credential::{Credentials, Issuer};
    use crate::http2::HttpVersion;
    use crate::reach::Reach;
    use crate::tls::Trust;
    use crate::worker::{Assignment, EntryPoint, Scheme};
    use tiketi_core::units::SimTime;

    fn plan() -> Plan {
        let plan = load("pacer.toml", "preset = \"tiketi\"", &Overrides::default());
        plan.expect("the preset is a valid scenario")
    }

    fn world(issuer: Issuer) -> World {
        let assignment = Assignment {
            plan: plan(),
            worker: 0,
            workers: 1,
            entry: EntryPoint {
                scheme: Scheme::Http,
                host: Ipv4Addr::LOCALHOST.to_string(),
                port: 1,
                base: String::new(),
                dns: None,
                page: None,
                edge: None,
                hosts: Vec::new(),
                trust: Trust::default(),
                http: HttpVersion::default(),
                reach: Reach::Loopback,
            },
            api: None,
            credentials: Credentials::Minted {
                secret: "secret".to_owned(),
            },
            show: Uuid::nil().into(),
            is_target: false,
            start_at_unix_ns: 0,
            source_addresses: Vec::new(),
        };
        let mut world = World::new(&assignment, 8).expect("the assignment is valid");
        world.issuer = issuer;
        world
    }

    #[tokio::test]
    async fn a_buyer_without_a_credential_is_a_failure_with_its_reason_and_not_shed() {
        let world = Rc::new(world(Issuer::broken()));
        let arrivals = [0, 1].map(|number| Coming {
            buyer: BuyerId(number),
            at: SimTime::ZERO,
            page_at: None,
        });
        let paced = pace(Rc::clone(&world), arrivals.into_iter(), 10);
        LocalSet::new().run_until(paced).await;
        let mut assembly = Assembly::new(plan());
        assembly.absorb(world.take_frame());
        let arrivals = assembly.tally().arrivals;
        assert_eq!((arrivals.due, arrivals.started), (2, 0));
        assert_eq!((arrivals.without_credential, arrivals.shed), (2, 0));
        let reason = world.tally.credential_error.take().unwrap();
        assert!(
            reason.starts_with("cannot generate a token for buyer 0: cannot sign it"),
            "{reason}"
        );
    }
}
