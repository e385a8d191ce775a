//! A buyer who has the show open twice: in a second tab, or on a second device.
//!
//! The second page is a visit of its own, with the same user. It enters the queue and waits; when its turn comes, the buyer goes on
//! in the first one and closes it. Only the first one counts as a buyer.

use super::Journey;

/// Where a waiting buyer opens the show a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// In another tab of the same browser.
    Tab,
    /// On another device.
    Device,
}

/// Which page of a buyer this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    First,
    Second,
}

impl Journey {
    /// The same visit, on the second page of a buyer: it only waits.
    #[must_use]
    pub const fn on_second_page(mut self) -> Self {
        self.page = Page::Second;
        self
    }

    /// Returns where the buyer now opens the show a second time, once; `None` if nowhere.
    pub const fn poll_elsewhere(&mut self) -> Option<Elsewhere> {
        self.opens.take()
    }

    /// Whether the page opens in the queue, without the list of shows.
    pub(super) fn knows_show(&self) -> bool {
        self.reloads.any() || self.page == Page::Second
    }
}
