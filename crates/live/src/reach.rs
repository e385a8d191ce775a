//! Which addresses the load may reach.
//!
//! A connection needs an [`Allowed`] address, and only [`Reach::check`] returns one: what a name means may change between the
//! check of a target and a connection, so the address is checked, not the name.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// The addresses that a run may connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// This machine: the testbed, or a target that was on loopback when it was admitted.
    Loopback,
    /// These networks, which the scenario lists.
    Networks(Vec<IpNet>),
    /// Addresses of the kinds that the name of the target had when it was admitted.
    Kinds(BTreeSet<Kind>),
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// On this machine.
    Loopback,
    /// In a network that the internet does not route to.
    Private,
    /// Anywhere else.
    Public,
}

/// An address that may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowed(SocketAddr);

/// An address that may not be connected to, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address}, which {reason}")]
pub struct Forbidden {
    /// The address.
    pub address: IpAddr,
    /// Why, as the predicate of a sentence.
    pub reason: &'static str,
}

/// Networks that never contain a system under test. Sources: the special-purpose address registries of IANA, and the
/// documentation of the metadata services.
const NEVER_V4: [Ipv4Net; 7] = [
    // "This network": Linux connects 0.0.0.0 to loopback.
    v4(0, 0, 0, 0, 8),
    // Link-local; the metadata service of AWS, Azure and Google Cloud is 169.254.169.254.
    v4(169, 254, 0, 0, 16),
    // Protocol assignments; the metadata service of Oracle Cloud is 192.0.0.192.
    v4(192, 0, 0, 0, 24),
    // Metadata service of Alibaba Cloud.
    v4(100, 100, 100, 200, 32),
    // Platform service of Azure.
    v4(168, 63, 129, 16, 32),
    // Multicast.
    v4(224, 0, 0, 0, 4),
    // Reserved, with the broadcast address.
    v4(240, 0, 0, 0, 4),
];

/// As [`NEVER_V4`].
const NEVER_V6: [Ipv6Net; 6] = [
    // Link-local.
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    // Multicast.
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
    // Services of AWS for its instances, among them the metadata service fd00:ec2::254.
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),
    // Metadata service of Google Cloud.
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
    // Teredo: the IPv4 address in it is the client's, behind a translator.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
    // Local translation to IPv4 (RFC 8215): each network puts the IPv4 address elsewhere.
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
];

/// Networks that the internet does not route to.
const PRIVATE_V4: [Ipv4Net; 4] = [
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    // Shared by the customers of a provider (RFC 6598).
    v4(100, 64, 0, 0, 10),
];

/// As [`PRIVATE_V4`]: unique local addresses, and site-local ones, which they replaced.
const PRIVATE_V6: [Ipv6Net; 2] = [
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
];

const NOT_PLAIN: &str = "is not an ordinary unicast address";
const NOT_PLAIN_WITHIN: &str = "contains an IPv4 address that is not an ordinary unicast address";

impl Reach {
    /// Returns the address if it may be connected to.
    pub(super) fn check(&self, address: SocketAddr) -> Result<Allowed, Forbidden> {
        // An IPv4-mapped address leads to the IPv4 address in it.
        let ip = address.ip().to_canonical();
        let forbidden = |reason| Forbidden {
            address: address.ip(),
            reason,
        };
        let kind = kind(ip).map_err(forbidden)?;
        let reason = match self {
            Self::Loopback if kind != Kind::Loopback => "is not on this machine",
            Self::Networks(networks) if !networks.iter().any(|net| net.contains(&ip)) => {
                "is not in any network of `target.allow`"
            }
            Self::Kinds(kinds) if !kinds.contains(&kind) => match kind {
                Kind::Loopback => "is on this machine, unlike when the target was admitted",
                Kind::Private => {
                    "is in a private network, unlike when the target was admitted \
                     (add the network to `target.allow` if it is the target's)"
                }
                Kind::Public => {
                    "is not in a private network, unlike when the target was admitted \
                     (add the network to `target.allow` if it is the target's)"
                }
            },
            Self::Loopback | Self::Networks(_) | Self::Kinds(_) => {
                return Ok(Allowed(SocketAddr::new(ip, address.port())));
            }
        };
        Err(forbidden(reason))
    }

    /// Returns the reach of a name with these addresses that no network limits.
    ///
    /// # Errors
    ///
    /// When an address is not an ordinary unicast address.
    pub(super) fn as_now(addresses: &[IpAddr]) -> Result<Self, Forbidden> {
        let kinds = addresses.iter().map(|&address| {
            kind(address.to_canonical()).map_err(|reason| Forbidden { address, reason })
        });
        kinds.collect::<Result<_, _>>().map(Self::Kinds)
    }
}

impl Allowed {
    /// Returns the address.
    pub(super) const fn address(self) -> SocketAddr {
        self.0
    }
}

/// Whether an address is on this machine.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    kind(address.to_canonical()) == Ok(Kind::Loopback)
}

/// Returns where an address is, or why nothing may be sent there.
fn kind(address: IpAddr) -> Result<Kind, &'static str> {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => match embedded(v6) {
            None => kind_v6(v6),
            Some(v4) => match kind_v4(v4) {
                Ok(Kind::Loopback) | Err(_) => Err(NOT_PLAIN_WITHIN),
                Ok(kind @ (Kind::Private | Kind::Public)) => Ok(kind),
            },
        },
    }
}

fn kind_v4(address: Ipv4Addr) -> Result<Kind, &'static str> {
    if NEVER_V4.iter().any(|net| net.contains(&address)) {
        Err(NOT_PLAIN)
    } else if address.is_loopback() {
        Ok(Kind::Loopback)
    } else if PRIVATE_V4.iter().any(|net| net.contains(&address)) {
        Ok(Kind::Private)
    } else {
        Ok(Kind::Public)
    }
}

fn kind_v6(address: Ipv6Addr) -> Result<Kind, &'static str> {
    if address.is_unspecified() || NEVER_V6.iter().any(|net| net.contains(&address)) {
        Err(NOT_PLAIN)
    } else if address.is_loopback() {
        Ok(Kind::Loopback)
    } else if PRIVATE_V6.iter().any(|net| net.contains(&address)) {
        Ok(Kind::Private)
    } else {
        Ok(Kind::Public)
    }
}

/// Returns the IPv4 address to which a translator or a tunnel would forward; `None` if the address has none.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Unspecified and loopback.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-compatible (RFC 4291), IPv4-translated (RFC 2765), NAT64 (RFC 6052). Mapped ones are resolved before.
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // ISATAP (RFC 5214).
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => of(high, low),
        _ => None,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reach: &Reach, address: &str) -> Result<Allowed, Forbidden> {
        reach.check(SocketAddr::new(address.parse().unwrap(), 80))
    }

    fn kinds(kinds: &[Kind]) -> Reach {
        Reach::Kinds(kinds.iter().copied().collect())
    }

    #[test]
    fn a_name_that_was_on_loopback_stays_there() {
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(check(&Reach::Loopback, address).is_ok(), "{address}");
        }
        for address in ["192.0.2.7", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.7"] {
            assert!(check(&Reach::Loopback, address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address_in_it() {
        let allowed = check(&Reach::Loopback, "::ffff:127.0.0.1").unwrap();
        assert_eq!(allowed.address(), "127.0.0.1:80".parse().unwrap());
        let networks = Reach::Networks(vec!["10.1.0.0/16".parse().unwrap()]);
        assert!(check(&networks, "::ffff:10.1.0.9").is_ok());
        assert!(check(&networks, "::ffff:10.2.0.9").is_err());
    }

    #[test]
    fn addresses_that_are_not_ordinary_are_rejected_in_all_their_forms() {
        let everything =
            Reach::Networks(vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]);
        let any_kind = kinds(&[Kind::Loopback, Kind::Private, Kind::Public]);
        let plain = [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "192.0.0.192",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ];
        let of_v6 = [
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "2001:0:a9fe:a9fe::1",
            "64:ff9b:1::a9fe:a9fe",
            // Forms of 127.0.0.1 that are not on this machine.
            "2002:7f00:1::",
            "64:ff9b::127.0.0.1",
        ];
        let forms = |text: &str| {
            let [a, b, c, d] = text.parse::<Ipv4Addr>().unwrap().octets();
            let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
            vec![
                text.to_owned(),
                format!("::ffff:{text}"),
                format!("::ffff:0:{text}"),
                format!("64:ff9b::{text}"),
                format!("2002:{high:x}:{low:x}::1"),
                format!("2001:db8::5efe:{text}"),
                format!("2001:db8::200:5efe:{text}"),
                format!("::{text}"),
            ]
        };
        let all = plain.iter().flat_map(|text| forms(text));
        for address in all.chain(of_v6.map(str::to_owned)) {
            // `::0.0.0.0` is the unspecified address, which is rejected as such.
            for reach in [&everything, &any_kind] {
                assert!(check(reach, &address).is_err(), "{address} {reach:?}");
            }
        }
    }

    #[test]
    fn a_translated_address_is_of_the_kind_of_the_address_in_it() {
        let public = kinds(&[Kind::Public]);
        assert!(check(&public, "64:ff9b::192.0.2.7").is_ok());
        assert!(check(&public, "64:ff9b::10.0.0.7").is_err());
        assert!(check(&public, "2002:a00:7::1").is_err());
    }

    #[test]
    fn a_name_without_networks_keeps_the_kinds_it_had() {
        let public = Reach::as_now(&["192.0.2.7".parse().unwrap()]).unwrap();
        assert!(check(&public, "203.0.113.1").is_ok(), "names may move");
        for private in [
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd12::1",
        ] {
            assert!(check(&public, private).is_err(), "{private}");
        }
        assert!(check(&public, "127.0.0.1").is_err());
        let private = Reach::as_now(&["10.0.0.1".parse().unwrap()]).unwrap();
        assert!(check(&private, "10.9.9.9").is_ok());
        assert!(check(&private, "192.0.2.7").is_err());
    }
}
