//! Orders and notices that have not been polled yet.

use std::collections::VecDeque;

use super::notice::{Notice, What};
use super::order::Order;
use tiketi_core::units::{InstanceId, SimTime};

/// The output of the control plane's state machines, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    orders: VecDeque<Order>,
    notices: VecDeque<Notice>,
}

impl Outbox {
    pub(super) fn order(&mut self, order: Order) {
        self.orders.push_back(order);
    }

    pub(super) fn announce(&mut self, at: SimTime, what: What) {
        self.notices.push_back(Notice { at, what });
    }

    /// Withdraws the launch of an instance if it has not been polled yet. Returns whether there was one.
    pub(super) fn retract_launch(&mut self, retracted: InstanceId) -> bool {
        let before = self.orders.len();
        self.orders.retain(
            |order| !matches!(order, Order::Launch { instance, .. } if *instance == retracted),
        );
        let is_retracted = self.orders.len() < before;
        if is_retracted {
            self.orders.retain(
                |order| !matches!(order, Order::Register { instance } if *instance == retracted),
            );
        }
        is_retracted
    }

    pub(super) fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    pub(super) fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }
}
