//! The pure tier, in the memory of the process.

use std::time::Duration;

use super::command::{Call, Command, INSTANCES, Request, SHOWS, TICK, USERS, Visit};
use super::fixture::{settings, shows, user};
use super::instances::Instances;
use super::reply::{Reply, State};
use super::subject::Subject;
use crate::clock::{Clock, Hands};
use crate::tier::{Cache, Database, EmbeddedTier};

/// Scenario time at which a case begins.
pub(super) const BEGIN: Duration = Duration::from_secs(3_600);

/// How far the replica of Redis is behind. A tick is longer, so that a failover loses exactly what was written in the
/// tick of the loss.
const LOST_WINDOW: Duration = Duration::from_secs(1);

pub(super) struct Pure {
    tier: EmbeddedTier,
    hands: &'static Hands,
    instances: Instances,
}

impl Pure {
    pub(super) fn begin() -> Self {
        let hands = Hands::leak();
        hands.set(BEGIN);
        let settings = settings();
        let clock = Clock::stopped(hands);
        let tier = EmbeddedTier::with_clock(&settings, shows(), LOST_WINDOW, clock);
        let cache = |_| Cache::Embedded(tier.cache());
        let database = |_| Database::Embedded(tier.database(&settings, Duration::ZERO));
        let instances = Instances::new(
            (0..INSTANCES).map(cache).collect(),
            (0..INSTANCES).map(database).collect(),
        );
        Self {
            tier,
            hands,
            instances,
        }
    }

    /// Scenario time, to be moved by hand.
    pub(super) fn hands(&self) -> &'static Hands {
        self.hands
    }

    async fn run_all(&mut self, calls: &[Call], replies: &mut Vec<Reply>) {
        for call in calls {
            replies.push(self.instances.run(call).await);
        }
    }

    async fn ask(&mut self, request: Request) -> Reply {
        let instance = 0;
        self.instances.run(&Call { instance, request }).await
    }

    /// Place in the queue, and users with a shopping slot.
    async fn poll(&mut self, visit: Visit) -> (Option<u32>, u32) {
        match self.ask(Request::Poll(visit)).await {
            Reply::Status(status) => (status.position, status.active),
            other => panic!("no status but {other:?}"),
        }
    }
}

impl Subject for Pure {
    async fn run(&mut self, command: &Command) -> Vec<Reply> {
        let mut replies = Vec::new();
        match command {
            Command::Call(call) => replies.push(self.instances.run(call).await),
            Command::Advance(ticks) => self.hands.set(self.hands.now() + TICK * *ticks),
            Command::FailOverRedis { lost, down } => {
                // What was written before has reached the replica by now.
                self.hands.set(self.hands.now() + TICK);
                self.run_all(lost, &mut replies).await;
                self.tier.lose_redis();
                self.run_all(down, &mut replies).await;
                self.tier.promote_redis();
            }
            Command::FailOverDatabase { kept } => {
                self.run_all(kept, &mut replies).await;
                self.tier.lose_database();
                self.tier.promote_database();
            }
        }
        replies
    }

    async fn state(&mut self) -> State {
        let (end, census) = (self.tier.final_state(), self.tier.census());
        let mut state = State {
            ledger: end.ledger,
            doors: end.doors,
            counts: (census.held, census.sold),
            ..State::default()
        };
        for show in 0..SHOWS {
            let mut queue = Vec::new();
            for number in 0..USERS {
                let (position, _) = self.poll(Visit { show, user: number }).await;
                queue.extend(position.map(|position| (position, user(number))));
            }
            queue.sort_unstable();
            state
                .queues
                .push(queue.into_iter().map(|(_, user)| user).collect());
        }
        for show in 0..SHOWS {
            let mut active = std::collections::BTreeSet::new();
            for number in 0..USERS {
                let visit = Visit { show, user: number };
                let (_, before) = self.poll(visit).await;
                // The seam does not list who has a slot: who has one gives it back.
                self.ask(Request::Leave(visit)).await;
                let (_, after) = self.poll(visit).await;
                if after < before {
                    active.insert(user(number));
                }
            }
            state.active.push(active);
        }
        let numbers = self.instances.numbers();
        state.with_database(numbers, end.seats, end.orders, end.captures)
    }
}
