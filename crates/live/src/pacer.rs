//! Starts each buyer at the planned instant, whatever the system under test is doing: an open workload.

use std::rc::Rc;

use tokio::task::{spawn_local, yield_now};
use tokio::time::sleep_until;

use super::driver::Visit;
use super::world::World;
use tiketi_buyer::observation::Observation;
use tiketi_core::units::{BuyerId, SimTime};

/// Buyers that are started in a row before the others get a turn.
const BATCH: u32 = 32;

/// Starts `arrivals`, which are in order of time. At most `buyers_max` are on their way at once: who comes beyond that
/// is shed, and counted.
pub(super) async fn pace(
    world: Rc<World>,
    arrivals: impl Iterator<Item = (BuyerId, SimTime)>,
    buyers_max: u64,
) {
    let mut in_a_row = 0;
    for (buyer, intended) in arrivals {
        if intended > world.clock.now() {
            sleep_until(world.clock.wall_instant(intended)).await;
            in_a_row = 0;
        } else if in_a_row == BATCH {
            yield_now().await;
            in_a_row = 0;
        }
        in_a_row += 1;
        let now = world.clock.now();
        let credential = world.issuer.credential(buyer).ok();
        let credential = credential.filter(|_| world.tally.buyers.get() < buyers_max);
        world.observe(&Observation::Arrival {
            intended,
            sent: now,
            started: credential.is_some(),
        });
        if let Some(credential) = credential {
            spawn_local(Visit::new(&world, buyer, credential, now));
        }
    }
}
