//! The pure tier with one planted difference, to show that the comparison finds it.

use std::time::Duration;

use super::command::{Call, Command, Request, TICK, Visit};
use super::pure::Pure;
use super::reply::{Reply, State};
use super::subject::Subject;
use crate::tier::{Place, QueueStatus, Refusal};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// Once a user has left, positions in the queue are one too high.
    PositionAfterLeave,
    /// A user who enters again goes to the end of the queue.
    RefreshLosesPlace,
    /// A hold does not expire at its end but right after it.
    HoldExpiresLate,
    /// A payment is accepted until a tick after its hold has expired.
    PaymentAfterExpiry,
    /// A promotion loses a shopping slot that the replica had.
    SlotLostInFailover,
    /// A promoted replica has all writes of its primary.
    FailoverLosesNothing,
}

/// The pure tier, which misbehaves in one way.
pub(super) struct Planted {
    pure: Pure,
    difference: Difference,
    has_user_left: bool,
}

impl Planted {
    pub(super) fn begin(difference: Difference) -> Self {
        Self {
            pure: Pure::begin(),
            difference,
            has_user_left: false,
        }
    }

    async fn ask(&mut self, instance: usize, request: Request) -> Vec<Reply> {
        let call = Call { instance, request };
        self.pure.run(&Command::Call(call)).await
    }

    /// Runs the command as of an earlier time.
    async fn run_earlier(&mut self, by: Duration, command: &Command) -> Vec<Reply> {
        let hands = self.pure.hands();
        let now = hands.now();
        hands.set(now - by);
        let replies = self.pure.run(command).await;
        hands.set(now);
        replies
    }

    async fn position_after_leave(&mut self, command: &Command) -> Vec<Reply> {
        self.has_user_left |= matches!(request_of(command), Some(Request::Leave(_)));
        let moved = self.has_user_left;
        let move_back = |status: QueueStatus| QueueStatus {
            position: status.position.map(|position| position + u32::from(moved)),
            ..status
        };
        let replies = self.pure.run(command).await.into_iter();
        let replies = replies.map(|reply| match reply {
            Reply::Status(status) => Reply::Status(move_back(status)),
            Reply::Place(Place::Waiting(status)) => Reply::Place(Place::Waiting(move_back(status))),
            other => other,
        });
        replies.collect()
    }

    async fn refresh_loses_place(&mut self, command: &Command) -> Vec<Reply> {
        if let Command::Call(call) = command
            && let Request::Enter(visit) = call.request
            && self.waits(visit).await
        {
            self.ask(call.instance, Request::Leave(visit)).await;
        }
        self.pure.run(command).await
    }

    async fn slot_lost_in_failover(&mut self, command: &Command) -> Vec<Reply> {
        let replies = self.pure.run(command).await;
        let visit = Visit { show: 0, user: 0 };
        if matches!(command, Command::FailOverRedis { .. }) && !self.waits(visit).await {
            self.ask(0, Request::Leave(visit)).await;
        }
        replies
    }

    async fn failover_loses_nothing(&mut self, command: &Command) -> Vec<Reply> {
        let Command::FailOverRedis { lost, down } = command else {
            return self.pure.run(command).await;
        };
        let hands = self.pure.hands();
        hands.set(hands.now() + TICK);
        let mut replies = Vec::new();
        for call in lost {
            replies.extend(self.pure.run(&Command::Call(call.clone())).await);
        }
        let now = hands.now();
        let (lost, down) = (Vec::new(), down.clone());
        replies.extend(self.pure.run(&Command::FailOverRedis { lost, down }).await);
        hands.set(now);
        replies
    }

    async fn waits(&mut self, visit: Visit) -> bool {
        let replies = self.ask(0, Request::Poll(visit)).await;
        matches!(&replies[..], [Reply::Status(status)] if status.position.is_some())
    }
}

impl Subject for Planted {
    async fn run(&mut self, command: &Command) -> Vec<Reply> {
        match self.difference {
            Difference::PositionAfterLeave => self.position_after_leave(command).await,
            Difference::RefreshLosesPlace => self.refresh_loses_place(command).await,
            Difference::HoldExpiresLate => match request_of(command) {
                Some(Request::ReleaseExpired) => {
                    self.run_earlier(Duration::from_nanos(1), command).await
                }
                _ => self.pure.run(command).await,
            },
            Difference::PaymentAfterExpiry => {
                let replies = self.pure.run(command).await;
                let is_payment = matches!(request_of(command), Some(Request::CommitPayment(_)));
                match is_payment && replies == [Reply::Refused(Refusal::HoldExpired)] {
                    true => self.run_earlier(TICK, command).await,
                    false => replies,
                }
            }
            Difference::SlotLostInFailover => self.slot_lost_in_failover(command).await,
            Difference::FailoverLosesNothing => self.failover_loses_nothing(command).await,
        }
    }

    async fn state(&mut self) -> State {
        Box::pin(self.pure.state()).await
    }
}

fn request_of(command: &Command) -> Option<&Request> {
    match command {
        Command::Call(call) => Some(&call.request),
        Command::Advance(_) | Command::FailOverRedis { .. } | Command::FailOverDatabase { .. } => {
            None
        }
    }
}
