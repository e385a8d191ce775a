//! Which target a load-balancer node sends a request to.
//!
//! Round robin over the healthy targets of all zones (cross-zone load balancing is always on), unless an `AWSALB` cookie
//! names one. A zonal shift keeps requests away from the targets of a zone. If no other registered target is healthy, the group
//! fails open: all of them get requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tiketi_core::units::{InstanceId, SimTime};

/// Scrambles cookies, so that nobody comes to depend on reading a target from one.
const SCRAMBLE: u128 = 0x5A17_C3E9_0B64_D28F_71AE_93D5_4C06_B8F2;

/// The routing table of one node.
#[derive(Clone, Debug)]
pub struct Router {
    stickiness: Option<Duration>,
    targets: Vec<Target>,
    /// Requests assigned by round robin so far.
    turns: usize,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    instance: InstanceId,
    healthy: bool,
    /// Whether a zonal shift keeps requests away from it.
    is_shifted: bool,
}

impl Target {
    const fn is_usable(self) -> bool {
        self.healthy && !self.is_shifted
    }
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The target.
    pub instance: InstanceId,
    /// The cookie to set on the response; `None` if stickiness is off.
    pub cookie: Option<Cookie>,
    /// What became of the request's cookie; `None` if it had none, or one that was no longer valid.
    pub fate: Option<Fate>,
}

/// What happened to a request whose cookie was still valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It went to the target that the cookie names.
    Kept,
    /// That target is gone or unhealthy.
    TargetGone,
    /// It went to another target although the named one is healthy.
    Broken,
}

/// How many requests with a valid cookie stayed on their instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stickiness {
    /// Requests that reached the instance that their cookie names.
    pub kept: u64,
    /// Requests whose instance was gone or unhealthy, so that another one was chosen.
    pub target_gone: u64,
    /// Requests that reached another instance although theirs was healthy.
    pub broken: u64,
}

impl Stickiness {
    /// Counts one request.
    pub const fn handle_fate(&mut self, fate: Fate) {
        match fate {
            Fate::Kept => self.kept += 1,
            Fate::TargetGone => self.target_gone += 1,
            Fate::Broken => self.broken += 1,
        }
    }
}

impl std::ops::Add for Stickiness {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            kept: self.kept + other.kept,
            target_gone: self.target_gone + other.target_gone,
            broken: self.broken + other.broken,
        }
    }
}

/// The value of an `AWSALB` cookie: a target and an expiry time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    instance: InstanceId,
    expires_at: SimTime,
}

impl Cookie {
    /// Parses the value of a cookie; `None` if it does not come from a load-balancer node.
    pub fn parse(value: &str) -> Option<Self> {
        let word = u128::from_str_radix(value, 16).ok()? ^ SCRAMBLE;
        (word >> 96 == 0 && value.len() == 32).then_some(Self {
            instance: InstanceId(u32::try_from(word >> 64).ok()?),
            expires_at: SimTime::from_nanos(u64::try_from(word & u128::from(u64::MAX)).ok()?),
        })
    }
}

/// Prints the opaque value.
impl std::fmt::Display for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = u128::from(self.instance.0) << 64 | u128::from(self.expires_at.as_nanos());
        write!(f, "{:032x}", word ^ SCRAMBLE)
    }
}

impl Router {
    /// Builds an empty target group; `stickiness` is the lifetime of a cookie, `None` without stickiness.
    pub const fn new(stickiness: Option<Duration>) -> Self {
        Self {
            stickiness,
            targets: Vec::new(),
            turns: 0,
        }
    }

    /// Adds a target, unhealthy until [`Self::set_health`].
    pub fn register(&mut self, instance: InstanceId) {
        if !self.is_registered(instance) {
            self.targets.push(Target {
                instance,
                healthy: false,
                is_shifted: false,
            });
        }
    }

    /// Removes a target: it gets no further requests, sticky ones included.
    pub fn deregister(&mut self, instance: InstanceId) {
        self.targets.retain(|target| target.instance != instance);
    }

    /// Sets whether a target passes its health checks.
    pub fn set_health(&mut self, instance: InstanceId, healthy: bool) {
        for target in &mut self.targets {
            if target.instance == instance {
                target.healthy = healthy;
            }
        }
    }

    /// Sets whether a zonal shift keeps requests away from a target.
    pub fn set_shifted(&mut self, instance: InstanceId, is_shifted: bool) {
        for target in &mut self.targets {
            if target.instance == instance {
                target.is_shifted = is_shifted;
            }
        }
    }

    /// Chooses the target of a request that carries `cookie`; `None` (HTTP 503) if no target is registered.
    pub fn route(&mut self, now: SimTime, cookie: Option<Cookie>) -> Option<Route> {
        let fail_open = !self.targets.iter().any(|target| target.is_usable());
        let bound = cookie
            .filter(|cookie| self.stickiness.is_some() && now < cookie.expires_at)
            .map(|cookie| cookie.instance)
            .filter(|&instance| self.takes_requests(instance, fail_open));
        let instance = bound.or_else(|| self.next_in_turn(fail_open))?;
        Some(Route {
            instance,
            fate: cookie.and_then(|cookie| self.fate(now, cookie, instance)),
            cookie: self.stickiness.map(|life| Cookie {
                instance,
                expires_at: now + life,
            }),
        })
    }

    /// What became of the cookie of a request that goes to `chosen`; `None` if the cookie has expired.
    fn fate(&self, now: SimTime, cookie: Cookie, chosen: InstanceId) -> Option<Fate> {
        if self.stickiness.is_none() || now >= cookie.expires_at {
            return None;
        }
        let is_usable = |target: &Target| target.instance == cookie.instance && target.is_usable();
        Some(if chosen == cookie.instance {
            Fate::Kept
        } else if self.targets.iter().any(is_usable) {
            Fate::Broken
        } else {
            Fate::TargetGone
        })
    }

    fn is_registered(&self, instance: InstanceId) -> bool {
        self.targets
            .iter()
            .any(|target| target.instance == instance)
    }

    fn takes_requests(&self, instance: InstanceId, fail_open: bool) -> bool {
        self.targets
            .iter()
            .any(|target| target.instance == instance && (target.is_usable() || fail_open))
    }

    fn next_in_turn(&mut self, fail_open: bool) -> Option<InstanceId> {
        let eligible = |target: &&Target| target.is_usable() || fail_open;
        let count = self.targets.iter().filter(eligible).count();
        let turn = self.turns.checked_rem(count)?;
        self.turns = self.turns.wrapping_add(1);
        let chosen = self.targets.iter().filter(eligible).nth(turn)?;
        Some(chosen.instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: InstanceId = InstanceId(0);
    const B: InstanceId = InstanceId(1);
    const C: InstanceId = InstanceId(2);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn router(healthy: &[InstanceId], unhealthy: &[InstanceId]) -> Router {
        let mut router = Router::new(Some(HOUR));
        for &instance in healthy.iter().chain(unhealthy) {
            router.register(instance);
        }
        for &instance in healthy {
            router.set_health(instance, true);
        }
        router
    }

    fn chosen(router: &mut Router, cookie: Option<Cookie>) -> InstanceId {
        router.route(SimTime::ZERO, cookie).unwrap().instance
    }

    #[test]
    fn requests_without_a_cookie_rotate_over_the_healthy_targets() {
        let mut router = router(&[A, C], &[B]);
        let picks: Vec<_> = (0..6).map(|_| chosen(&mut router, None)).collect();
        assert_eq!(picks, [A, C, A, C, A, C]);
    }

    #[test]
    fn a_cookie_keeps_its_target_until_it_expires_and_each_request_renews_it() {
        let mut router = router(&[A, B], &[]);
        let mut cookie = router.route(SimTime::ZERO, None).unwrap().cookie;
        for half_hours in 1..5 {
            let now = SimTime::ZERO + HOUR / 2 * half_hours;
            let route = router.route(now, cookie).unwrap();
            assert_eq!(route.instance, A);
            cookie = route.cookie;
        }
        let late = SimTime::ZERO + HOUR / 2 * 4 + HOUR;
        assert_eq!(router.route(late, cookie).unwrap().instance, B);
    }

    #[test]
    fn a_cookie_whose_target_is_unhealthy_or_gone_is_rewritten() {
        let mut router = router(&[A, B], &[]);
        let cookie = router.route(SimTime::ZERO, None).unwrap().cookie;
        router.set_health(A, false);
        let moved = router.route(SimTime::ZERO, cookie).unwrap();
        assert_eq!(moved.instance, B);
        assert_ne!(moved.cookie, cookie);
        router.set_health(A, true);
        router.deregister(A);
        assert_eq!(chosen(&mut router, cookie), B);
    }

    #[test]
    fn a_cookie_is_broken_only_if_its_target_could_have_been_chosen() {
        let mut router = router(&[A, B], &[]);
        let cookie = router.route(SimTime::ZERO, None).unwrap().cookie.unwrap();
        let fate = |router: &Router, chosen| router.fate(SimTime::ZERO, cookie, chosen);
        assert_eq!(fate(&router, A), Some(Fate::Kept));
        assert_eq!(fate(&router, B), Some(Fate::Broken));
        router.set_health(A, false);
        assert_eq!(fate(&router, B), Some(Fate::TargetGone));
        router.deregister(A);
        assert_eq!(fate(&router, B), Some(Fate::TargetGone));
        assert_eq!(router.fate(SimTime::ZERO + HOUR, cookie, B), None);
    }

    #[test]
    fn a_group_without_a_healthy_target_fails_open() {
        let mut router = router(&[], &[A, B]);
        let first = router.route(SimTime::ZERO, None).unwrap();
        assert_eq!(chosen(&mut router, None), B);
        assert_eq!(
            chosen(&mut router, first.cookie),
            A,
            "stickiness still works"
        );
    }

    #[test]
    fn a_group_without_a_registered_target_refuses() {
        let mut router = router(&[A], &[]);
        router.deregister(A);
        assert_eq!(router.route(SimTime::ZERO, None), None);
    }

    #[test]
    fn cookies_survive_the_wire_and_forged_ones_are_ignored() {
        let cookie = Cookie {
            instance: C,
            expires_at: SimTime::from_secs(90),
        };
        assert_eq!(Cookie::parse(&cookie.to_string()), Some(cookie));
        assert!(!cookie.to_string().contains("00000002"));
        for forged in ["", "zz", "00000000000000000000000000000000", "+1"] {
            assert_eq!(Cookie::parse(forged), None, "{forged:?}");
        }
    }

    #[test]
    fn without_stickiness_cookies_are_neither_set_nor_read() {
        let mut plain = Router::new(None);
        plain.register(A);
        plain.register(B);
        let sticky = router(&[A], &[]).route(SimTime::ZERO, None).unwrap().cookie;
        assert_eq!(plain.route(SimTime::ZERO, sticky).unwrap().cookie, None);
        assert_eq!(chosen(&mut plain, sticky), B);
    }

    #[test]
    fn a_shifted_target_gets_no_requests_while_another_one_is_healthy() {
        let mut router = router(&[A, B], &[C]);
        let bound = router.route(SimTime::ZERO, None).unwrap();
        assert_eq!(bound.instance, A);
        router.set_shifted(A, true);
        for _ in 0..3 {
            assert_eq!(chosen(&mut router, None), B);
        }
        let moved = router.route(SimTime::ZERO, bound.cookie).unwrap();
        assert_eq!((moved.instance, moved.fate), (B, Some(Fate::TargetGone)));
        router.set_health(B, false);
        let picks: std::collections::BTreeSet<_> =
            (0..6).map(|_| chosen(&mut router, None)).collect();
        assert_eq!(picks.len(), 3, "it fails open");
        router.set_health(B, true);
        router.set_shifted(A, false);
        assert_eq!(chosen(&mut router, bound.cookie), A);
    }
}
