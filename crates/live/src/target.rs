//! An existing system under test (`--target URL`): whether it may be put under load.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use ipnet::IpNet;

use super::hosts;
use super::http2::HttpVersion;
use super::observe::SourceRefusal;
use super::reach::{Forbidden, Reach, is_loopback};
use super::signer::SignError;
use super::tls::Trust;
use super::worker::{EntryPoint, Scheme};
use tiketi_scenario::plan::Target;

/// Why a target was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The URL cannot be used.
    #[error(
        "invalid target `{url}`: {reason} (expected http://HOST[:PORT] or https://HOST[:PORT], with or without a path)"
    )]
    BadUrl {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host has no address.
    #[error("cannot resolve target `{host}`: {reason}")]
    Unresolved {
        /// The host.
        host: String,
        /// The resolver's error.
        reason: String,
    },
    /// The scenario does not list the host in `target.allow`.
    #[error(
        "target `{host}` is not on this machine, and the scenario does not allow it: add `\"{host}\"` to `target.allow` \
         if you are allowed to load-test it"
    )]
    NotAllowed {
        /// The host.
        host: String,
    },
    /// The host is listed, but one of its addresses is not allowed.
    #[error("target `{host}` resolves to {forbidden}")]
    AddressNotAllowed {
        /// The host.
        host: String,
        /// The address, and why it is not allowed.
        forbidden: Forbidden,
    },
    /// The user has not confirmed that they may load-test the system.
    #[error(
        "target `{host}` is not on this machine: pass `--i-own-this-target` to confirm that you are allowed to load-test it"
    )]
    NotOwned {
        /// The host.
        host: String,
    },
    /// The clock would not run in real time.
    #[error("a target runs in real time: `clock.speed` must be 1 (it is {speed})")]
    Hurried {
        /// The speed, as text.
        speed: String,
    },
    /// A request before the load got no response.
    #[error("cannot reach the target: {request}: {reason}")]
    Unreachable {
        /// The request: method and URL with port and path.
        request: String,
        /// Why, as a fragment of a sentence.
        reason: String,
        /// What the user can do.
        hint: &'static str,
    },
    /// A request before the load was not answered as a buyer needs it.
    #[error("the target is not ready for buyers: {request}: {said}")]
    NotReady {
        /// The request: method and URL with port and path.
        request: String,
        /// What it answered, with the server's own words.
        said: String,
        /// What the user can do.
        hint: String,
    },
    /// Its metrics server may not be asked.
    #[error(transparent)]
    Source(#[from] SourceRefusal),
    /// Nothing to buy was found.
    #[error("the target has no show on sale: {request}: {reason}")]
    NoShow {
        /// The request: method and URL with port and path.
        request: String,
        /// What was found instead, as a fragment of a sentence.
        reason: String,
    },
    /// The program that signs requests has failed, so that the target was not asked.
    #[error(transparent)]
    Unsigned(#[from] SignError),
}

impl Refusal {
    /// Returns what the user can do about it; `None` if the message says it all.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { hint, .. } => Some((*hint).to_owned()),
            Self::NotReady { hint, .. } => Some(hint.clone()),
            Self::NoShow { .. } => Some(
                "put a show on sale, or name one with `target.show` in the scenario".to_owned(),
            ),
            Self::BadUrl { .. }
            | Self::Unresolved { .. }
            | Self::NotAllowed { .. }
            | Self::AddressNotAllowed { .. }
            | Self::NotOwned { .. }
            | Self::Hurried { .. }
            | Self::Source(_)
            | Self::Unsigned(_) => None,
        }
    }
}

/// How the user gets to a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// Its URL.
    pub url: String,
    /// Which certificates are accepted, and which one is presented.
    pub trust: Trust,
    /// The version of HTTP that requests are sent with.
    pub http: HttpVersion,
    /// Whether the user has confirmed that they may load-test it.
    pub is_owned: bool,
}

/// Resolves the target and decides whether it may be put under load.
///
/// Loopback is always allowed. Any other target needs its name (or address) in `target.allow`; ordinary unicast addresses,
/// which must be in the listed networks if `target.allow` has any; and the user's confirmation.
///
/// # Errors
///
/// The first reason why it is not allowed.
pub async fn admit(
    destination: &Destination,
    target: &Target,
    speed: f64,
) -> Result<EntryPoint, Refusal> {
    let mut entry = admit_host(&destination.url, target, destination.is_owned).await?;
    entry.trust = destination.trust.clone();
    entry.http = destination.http;
    if destination.http == HttpVersion::Http2 && entry.scheme == Scheme::Http {
        return Err(Refusal::BadUrl {
            url: without_secrets(&destination.url),
            reason: "`--http 2` needs https".to_owned(),
        });
    }
    entry.hosts = hosts::admit(&entry, target, destination.is_owned).await?;
    if (speed - 1.0).abs() > f64::EPSILON {
        return Err(Refusal::Hurried {
            speed: speed.to_string(),
        });
    }
    Ok(entry)
}

/// Resolves one host and decides whether it may be put under load.
pub(super) async fn admit_host(
    url: &str,
    target: &Target,
    is_owned: bool,
) -> Result<EntryPoint, Refusal> {
    let mut entry = parse(url)?;
    let host = entry.bare_host();
    let found = tokio::net::lookup_host((host, entry.port)).await;
    let addresses: Vec<IpAddr> = found
        .map_err(|error| Refusal::Unresolved {
            host: entry.host.clone(),
            reason: error.to_string(),
        })?
        .map(|address: SocketAddr| address.ip())
        .collect();
    entry.reach = guard(host, &addresses, target, is_owned)?;
    Ok(entry)
}

/// Decides by the host name and its addresses. Returns which addresses connections may go to, whatever the name means then.
pub(super) fn guard(
    host: &str,
    addresses: &[IpAddr],
    target: &Target,
    is_owned: bool,
) -> Result<Reach, Refusal> {
    if addresses.is_empty() {
        return Err(Refusal::Unresolved {
            host: host.to_owned(),
            reason: "the name has no records".to_owned(),
        });
    }
    if addresses.iter().copied().all(is_loopback) {
        return Ok(Reach::Loopback);
    }
    if !target
        .allow
        .iter()
        .any(|allowed| is_same_host(allowed, host))
    {
        return Err(Refusal::NotAllowed {
            host: host.to_owned(),
        });
    }
    let networks: Vec<IpNet> = target
        .allow
        .iter()
        .filter_map(|allowed| network(allowed))
        .collect();
    let reach = if networks.is_empty() {
        Reach::as_now(addresses)
    } else {
        Ok(Reach::Networks(networks))
    };
    let reach = reach.map_err(|forbidden| not_allowed(host, forbidden))?;
    for &address in addresses {
        let checked = reach.check(SocketAddr::new(address, 0));
        checked.map_err(|forbidden| not_allowed(host, forbidden))?;
    }
    if is_owned {
        Ok(reach)
    } else {
        Err(Refusal::NotOwned {
            host: host.to_owned(),
        })
    }
}

/// Whether two texts name the same host. IPv6 addresses can be written in many ways, and with brackets.
pub(super) fn is_same_host(one: &str, other: &str) -> bool {
    let address = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>();
    match (address(one), address(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

pub(super) fn not_allowed(host: &str, forbidden: Forbidden) -> Refusal {
    Refusal::AddressNotAllowed {
        host: host.to_owned(),
        forbidden,
    }
}

fn network(allowed: &str) -> Option<IpNet> {
    let bare = allowed.trim_matches(['[', ']']);
    let address = || bare.parse::<IpAddr>().ok().map(IpNet::from);
    allowed.parse().ok().or_else(address)
}

fn parse(url: &str) -> Result<EntryPoint, Refusal> {
    let bad = |reason: &str| Refusal::BadUrl {
        url: without_secrets(url),
        reason: reason.to_owned(),
    };
    let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
    let (scheme, default_port) = match uri.scheme_str() {
        Some("http") => (Scheme::Http, 80),
        Some("https") => (Scheme::Https, 443),
        _ => return Err(bad("the scheme is missing or unknown")),
    };
    let authority = uri.authority().map_or("", |part| part.as_str());
    if authority.contains('@') {
        return Err(bad("it must not contain a user name"));
    }
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| bad("the host is missing"))?;
    let port = match &authority[host.len()..] {
        "" => default_port,
        port => port_after_colon(port).ok_or_else(|| bad("the port is not in 1 to 65535"))?,
    };
    if uri.query().is_some() || url.contains('#') {
        return Err(bad("it must not contain a query or a fragment"));
    }
    let base = uri.path().trim_end_matches('/');
    if base
        .split('/')
        .skip(1)
        .any(|part| matches!(part, "" | "." | ".."))
    {
        return Err(bad("its path must not contain `//`, `.` or `..`"));
    }
    Ok(EntryPoint {
        scheme,
        host: host.to_owned(),
        port,
        base: base.to_owned(),
        dns: None,
        page: Some(format!("{base}/")),
        edge: None,
        hosts: Vec::new(),
        trust: Trust::default(),
        http: HttpVersion::default(),
        // Until the addresses are known.
        reach: Reach::Loopback,
    })
}

/// Returns the port of `:PORT`; `None` if it is not the number of a port. The parser of the URL lets it be anything.
fn port_after_colon(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(':')?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port: u16 = is_number.then(|| digits.parse().ok()).flatten()?;
    (port > 0).then_some(port)
}

/// Hides what may be a secret in a URL that was rejected: the user with the password, and everything after the path.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = match url.find("://") {
        Some(at) => url.split_at(at + 3),
        None => ("", url),
    };
    let (user, rest) = match rest.rfind('@') {
        Some(at) => ("***", &rest[at..]),
        None => ("", rest),
    };
    match rest.find(['?', '#']) {
        Some(at) => format!("{scheme}{user}{}***", &rest[..=at]),
        None => format!("{scheme}{user}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(allow: &[&str]) -> Target {
        Target {
            allow: allow.iter().map(|&text| text.to_owned()).collect(),
            show: None,
            api: None,
            ..Target::default()
        }
    }

    const PUBLIC: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const METADATA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254));
    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 1, 1));

    #[test]
    fn loopback_needs_no_permission() {
        let admitted = guard("localhost", &[LOOPBACK], &target(&[]), false);
        assert_eq!(admitted, Ok(Reach::Loopback));
    }

    #[test]
    fn a_host_beyond_loopback_needs_the_scenario_and_the_users_confirmation() {
        let host = "staging.example";
        let allowed = target(&["Staging.example"]);
        assert!(guard(host, &[PUBLIC], &allowed, true).is_ok());
        let refused = guard(host, &[PUBLIC], &target(&[]), true);
        assert!(matches!(refused, Err(Refusal::NotAllowed { .. })));
        let refused = guard(host, &[PUBLIC], &allowed, false);
        assert!(matches!(refused, Err(Refusal::NotOwned { .. })));
        let refused = guard(host, &[LOOPBACK, PUBLIC], &target(&[]), true);
        assert!(matches!(refused, Err(Refusal::NotAllowed { .. })));
    }

    #[test]
    fn an_ipv6_address_is_allowed_however_it_is_written() {
        let address: IpAddr = "2001:db8::7".parse().unwrap();
        for allowed in ["2001:db8::7", "[2001:DB8:0::7]", "2001:db8:0:0:0:0:0:7"] {
            let admitted = guard("2001:db8::7", &[address], &target(&[allowed]), true);
            assert!(admitted.is_ok(), "{allowed}");
        }
        let refused = guard("2001:db8::7", &[address], &target(&["2001:db8::8"]), true);
        assert!(matches!(refused, Err(Refusal::NotAllowed { .. })));
    }

    #[test]
    fn an_allowed_name_must_not_resolve_to_other_networks() {
        let host = "staging.example";
        let refused = guard(host, &[METADATA], &target(&[host]), true);
        assert!(matches!(refused, Err(Refusal::AddressNotAllowed { .. })));
        let networks = target(&[host, "198.51.100.0/24"]);
        let refused = guard(host, &[PUBLIC], &networks, true);
        assert!(matches!(refused, Err(Refusal::AddressNotAllowed { .. })));
        let networks = target(&[host, "192.0.2.0/24"]);
        assert!(guard(host, &[PUBLIC], &networks, true).is_ok());
        let mapped: IpAddr = "::ffff:169.254.169.254".parse().unwrap();
        let refused = guard(host, &[mapped], &target(&[host, "::/0"]), true);
        assert!(matches!(refused, Err(Refusal::AddressNotAllowed { .. })));
    }

    #[test]
    fn a_target_url_has_a_scheme_a_host_and_optionally_a_port_and_a_path() {
        let entry = parse("https://staging.example").unwrap();
        assert_eq!((entry.scheme, entry.port), (Scheme::Https, 443));
        assert_eq!(parse("http://127.0.0.1:3000/").unwrap().port, 3_000);
        for (url, base) in [
            ("http://a", ""),
            ("http://a/", ""),
            ("http://a:1/path", "/path"),
            ("http://a:1/path/b/", "/path/b"),
        ] {
            let entry = parse(url).unwrap();
            assert_eq!(entry.base, base, "{url}");
            assert_eq!(entry.page, Some(format!("{base}/")), "{url}");
            assert!(entry.url().ends_with(base), "{url}");
        }
        for url in [
            "staging.example",
            "ftp://staging.example",
            "http://",
            "http://a@b",
            "http://a/path?query",
            "http://a/path#part",
            "http://a//path",
            "http://a/../path",
        ] {
            assert!(matches!(parse(url), Err(Refusal::BadUrl { .. })), "{url}");
        }
    }

    #[test]
    fn an_invalid_port_is_an_error_and_never_the_default_port() {
        for host in ["127.0.0.1", "[::1]", "staging.example"] {
            for port in [
                "99999", "65536", "3001x", "x", "-1", "+80", "0", "", "80:80", "0x50",
            ] {
                let url = format!("http://{host}:{port}");
                let refused = parse(&url);
                assert!(matches!(refused, Err(Refusal::BadUrl { .. })), "{url}");
            }
            assert_eq!(parse(&format!("http://{host}:65535")).unwrap().port, 65_535);
        }
        assert_eq!(parse("http://[::1]").unwrap().port, 80);
    }

    #[test]
    fn a_rejected_url_does_not_repeat_its_password() {
        let refused = parse("http://kim:s3cret@staging.example").unwrap_err();
        assert!(!refused.to_string().contains("s3cret"), "{refused}");
    }

    #[tokio::test]
    async fn a_target_at_another_speed_is_rejected() {
        let destination = Destination {
            url: "http://127.0.0.1:1".to_owned(),
            ..Destination::default()
        };
        let refused = admit(&destination, &target(&[]), 5.0).await;
        assert!(matches!(refused, Err(Refusal::Hurried { .. })));
    }
}
