//! The buyers of one worker, and when each comes.

use super::worker::Assignment;
use tiketi_api::RoleName;
use tiketi_core::rng::Streams;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_scenario::arrival::{arrival_times, opening};
use tiketi_scenario::distribution::Distribution;

/// A buyer who is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coming {
    pub(super) buyer: BuyerId,
    /// When the buyer comes.
    pub(super) at: SimTime,
    /// When a buyer who comes to log in opens the page; `None` for the others, who open it at once.
    pub(super) page_at: Option<SimTime>,
}

/// The buyers of one worker, in order of time.
pub(super) struct Share {
    pub(super) arrivals: Vec<Coming>,
}

impl Share {
    pub(super) fn of(assignment: &Assignment) -> Self {
        let plan = &assignment.plan;
        let ends_at = SimTime::ZERO + plan.clock.duration;
        let logins = Logins::of(assignment);
        let arrivals = arrival_times(plan).into_iter().zip(0..);
        let arrivals = arrivals
            .filter(|(at, number)| {
                number % assignment.workers == assignment.worker && *at < ends_at
            })
            .map(|(at, number)| {
                let buyer = BuyerId(number);
                match &logins {
                    Some(logins) if at >= logins.opens_at => Coming {
                        buyer,
                        at: logins.draw(buyer),
                        page_at: Some(at),
                    },
                    Some(_) | None => Coming {
                        buyer,
                        at,
                        page_at: None,
                    },
                }
            });
        let mut arrivals: Vec<_> = arrivals.collect();
        if logins.is_some() {
            arrivals.sort_by_key(|coming| (coming.at, coming.buyer));
        }
        Self { arrivals }
    }
}

/// The time before the opening in which buyers log in.
struct Logins {
    from: SimTime,
    opens_at: SimTime,
    streams: Streams,
}

impl Logins {
    /// `None` if everybody logs in on arrival, or needs not.
    fn of(assignment: &Assignment) -> Option<Self> {
        let plan = &assignment.plan;
        let window = plan.buyers.login.window?;
        let opens_at = opening(&plan.arrivals)?;
        let mapping = assignment.mapping();
        let roles = [RoleName::Register, RoleName::Login, RoleName::Setup];
        let has_any = roles.into_iter().any(|name| mapping.role(name).is_some());
        has_any.then(|| Self {
            from: SimTime::ZERO + opens_at.since_start().saturating_sub(window),
            opens_at,
            streams: Streams::new(plan.seed),
        })
    }

    fn draw(&self, buyer: BuyerId) -> SimTime {
        let window = Distribution::Uniform {
            from: 0.0,
            to: self.opens_at.saturating_since(self.from).as_secs_f64(),
        };
        self.from + window.sample(&mut self.streams.for_buyer("login", buyer))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credential::Credentials;
    use crate::reach::Reach;
    use crate::worker::{EntryPoint, Scheme};
    use tiketi_api::Tree;
    use tiketi_scenario::{Overrides, load};

    const SALE: &str = "seed = 3\n[clock]\nduration = \"5m\"\n[[arrivals]]\nshape = \"onsale\"\nbuyers = 300\nopens_at = \"60s\"\n\
                        [[arrivals]]\nshape = \"poisson\"\nrate = 1\nuntil = \"50s\"\n";
    const LOGIN: &str = "[login]\ncall = \"POST /login\"\nkeep = { token = \"/token\" }\n";
    const PAYMENT: &str = "[payment]\ncall = \"POST /pay\"\nmeans = [{ is = \"paid\" }]\n";

    fn share(window: &str, mapping: &str) -> Vec<Coming> {
        let text = format!("buyers.login = {{ window = {window} }}\n{SALE}");
        let plan = load("x.toml", &text, &Overrides::default());
        let table = toml::de::DeTable::parse(mapping).unwrap();
        let assignment = Assignment {
            plan: plan.unwrap_or_else(|problems| panic!("{problems}")),
            worker: 0,
            workers: 1,
            entry: EntryPoint {
                scheme: Scheme::Http,
                host: "127.0.0.1".to_owned(),
                port: 1,
                dns: None,
                page: None,
                edge: None,
                base: String::new(),
                trust: crate::tls::Trust::default(),
                http: crate::http2::HttpVersion::Http1,
                hosts: Vec::new(),
                reach: Reach::Loopback,
            },
            api: Some(Tree::from_table(table.get_ref(), 0..0)),
            credentials: Credentials::None,
            show: uuid::Uuid::nil().into(),
            is_target: true,
            start_at_unix_ns: 0,
            source_addresses: Vec::new(),
        };
        Share::of(&assignment).arrivals
    }

    #[test]
    fn buyers_of_the_opening_log_in_within_the_window_before_it() {
        let mapping = format!("{LOGIN}{PAYMENT}");
        let coming = share("\"20s\"", &mapping);
        let early: Vec<_> = coming.iter().filter(|one| one.page_at.is_some()).collect();
        assert_eq!(early.len(), 300);
        for one in &early {
            let window = SimTime::from_secs(40)..SimTime::from_secs(60);
            assert!(window.contains(&one.at), "{one:?}");
            assert!(one.page_at.unwrap() >= SimTime::from_secs(60), "{one:?}");
        }
        let first_half = early.iter().filter(|one| one.at < SimTime::from_secs(50));
        assert!((110..190).contains(&first_half.count()), "evenly spread");
        assert!(coming.is_sorted_by_key(|one| one.at));
        assert!(coming.len() > 320, "who comes before logs in on arrival");
    }

    #[test]
    fn without_a_window_or_a_login_buyers_come_when_they_open_the_page() {
        let mapping = format!("{LOGIN}{PAYMENT}");
        let usual = share("\"none\"", &mapping);
        assert!(usual.iter().all(|one| one.page_at.is_none()));
        assert_eq!(share("\"20s\"", PAYMENT), usual);
    }

    #[test]
    fn a_window_longer_than_the_time_before_the_opening_begins_with_the_run() {
        let coming = share("\"10m\"", &format!("{LOGIN}{PAYMENT}"));
        let early = coming.iter().filter(|one| one.page_at.is_some());
        let first = early.map(|one| one.at).min().unwrap();
        assert!(first.since_start() < Duration::from_secs(5), "{first}");
    }
}
