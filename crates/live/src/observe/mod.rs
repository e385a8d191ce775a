//! Reads levels of a target that a metrics server or the target itself knows, on a thread of its own: whatever the server does, the run goes on.

mod json;
mod prometheus;
mod proxy;
mod server;

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval};

use super::clock::Clock;
use super::http2::HttpVersion;
use super::reach::{Forbidden, Reach};
use super::target::{Refusal, guard, is_same_host};
use super::tls::Trust;
use super::worker::{EntryPoint, Scheme};
#[cfg(feature = "fuzzing")]
pub(crate) use prometheus::read as read_response;
pub use proxy::BadProxy;
use proxy::Proxy;
use server::Server;
use tiketi_core::units::SimTime;
use tiketi_scenario::observe::{Level, Observe};
use tiketi_scenario::plan::Target;

/// Readings that wait to be noted. The conductor notes them every second, and there are four each second at most.
const READINGS_WAITING_MAX: usize = 64;

/// Why a metrics server is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceRefusal {
    /// The address cannot be used.
    #[error("`target.observe.{key}` is `{url}`: {reason}")]
    BadUrl {
        /// The key of the scenario.
        key: &'static str,
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The name has no address.
    #[error("cannot resolve `{host}` of `target.observe.{key}`: {reason}")]
    Unresolved {
        /// The key of the scenario.
        key: &'static str,
        /// The host.
        host: String,
        /// The resolver's error.
        reason: String,
    },
    /// The scenario does not list the host in `target.allow`.
    #[error(
        "`{host}` of `target.observe.{key}` is not on this machine, and the scenario does not allow it: add `\"{host}\"` to \
         `target.allow`. It is only read, but the host may belong to somebody else"
    )]
    NotAllowed {
        /// The key of the scenario.
        key: &'static str,
        /// The host.
        host: String,
    },
    /// The host is listed, but one of its addresses is not allowed.
    #[error("`{host}` of `target.observe.{key}` resolves to {forbidden}")]
    AddressNotAllowed {
        /// The key of the scenario.
        key: &'static str,
        /// The host.
        host: String,
        /// The address, and why it is not allowed.
        forbidden: Forbidden,
    },
    /// The environment names a proxy that cannot be used.
    #[error(transparent)]
    Proxy(#[from] BadProxy),
    /// The environment has no credentials for it.
    #[error(
        "`target.observe.json_authorization` names the environment variable `{variable}`, which {problem} (expected the value of \
         the header `authorization`, such as `Bearer …`)"
    )]
    NoAuthorization {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// What a server is asked with.
#[derive(Clone, Debug)]
enum Language {
    /// Queries, each of which is a request.
    Prometheus,
    /// JSON pointers into one response.
    Json {
        /// The header `authorization`; `None` if none is sent.
        authorization: Option<HeaderValue>,
    },
}

/// A server that may be asked, and what it is asked.
#[derive(Clone, Debug)]
pub struct Source {
    entry: EntryPoint,
    /// What passes the requests on; `None` if the server is asked directly.
    proxy: Option<Proxy>,
    language: Language,
    queries: Vec<(Level, String)>,
    every: Duration,
}

impl Source {
    /// Checks that the metrics server of a target may be asked; `None` if the scenario names none.
    ///
    /// The rules are those of the target, but nobody needs to confirm anything: it is only read. `trust` says which certificates
    /// are accepted.
    ///
    /// # Errors
    ///
    /// The first reason why it is not allowed.
    pub async fn admit(target: &Target, trust: &Trust) -> Result<Option<Self>, SourceRefusal> {
        Self::admit_with(target, trust, &Matcher::from_env()).await
    }

    /// As [`Self::admit`], with these proxies.
    async fn admit_with(
        target: &Target,
        trust: &Trust,
        proxies: &Matcher,
    ) -> Result<Option<Self>, SourceRefusal> {
        let observe = &target.observe;
        let (key, url, language) = match (&observe.prometheus, &observe.json) {
            (Some(url), _) => ("prometheus", url, Language::Prometheus),
            (None, Some(url)) => ("json", url, language_of(observe)?),
            (None, None) => return Ok(None),
        };
        let (mut entry, uri) = parse(key, url)?;
        entry.trust = trust.of_other_host();
        let proxy = Proxy::of(proxies, &uri).await?;
        entry.reach = match &proxy {
            Some(_) if entry.bare_host().parse::<IpAddr>().is_err() => {
                // Only the proxy knows what the name means, and only the proxy connects to it.
                let is_listed = |allowed: &String| is_same_host(allowed, &entry.host);
                if !target.allow.iter().any(is_listed) {
                    let host = entry.host.clone();
                    return Err(SourceRefusal::NotAllowed { key, host });
                }
                Reach::Loopback
            }
            _ => Self::reach(key, &entry, target).await?,
        };
        let query = |level: Level| Some((level, observe.query(level)?.to_owned()));
        Ok(Some(Self {
            entry,
            proxy,
            language,
            queries: Level::ALL.into_iter().filter_map(query).collect(),
            every: observe.every,
        }))
    }

    /// Looks up where the server is, and whether the scenario allows that.
    async fn reach(
        key: &'static str,
        entry: &EntryPoint,
        target: &Target,
    ) -> Result<Reach, SourceRefusal> {
        let host = entry.bare_host().to_owned();
        let found = tokio::net::lookup_host((host.as_str(), entry.port)).await;
        let addresses: Vec<IpAddr> = found
            .map_err(|error| SourceRefusal::Unresolved {
                key,
                host: host.clone(),
                reason: error.to_string(),
            })?
            .map(|address: SocketAddr| address.ip())
            .collect();
        guard(&host, &addresses, target, true).map_err(|refusal| of((key, &host), refusal))
    }
}

/// Reads the credentials for JSON from the environment. An empty variable counts as not set.
fn language_of(observe: &Observe) -> Result<Language, SourceRefusal> {
    let Some(variable) = &observe.json_authorization else {
        return Ok(Language::Json {
            authorization: None,
        });
    };
    let refusal = |problem| SourceRefusal::NoAuthorization {
        variable: variable.clone(),
        problem,
    };
    let value = std::env::var(variable).unwrap_or_default();
    if value.is_empty() {
        return Err(refusal("is not set"));
    }
    let mut value = HeaderValue::try_from(value).map_err(|_| refusal("is no header value"))?;
    value.set_sensitive(true);
    Ok(Language::Json {
        authorization: Some(value),
    })
}

fn of((key, host): (&'static str, &str), refusal: Refusal) -> SourceRefusal {
    let host = host.to_owned();
    match refusal {
        Refusal::AddressNotAllowed { forbidden, .. } => SourceRefusal::AddressNotAllowed {
            key,
            host,
            forbidden,
        },
        Refusal::Unresolved { reason, .. } => SourceRefusal::Unresolved { key, host, reason },
        _ => SourceRefusal::NotAllowed { key, host },
    }
}

/// Splits the address of a server. The scenario has checked most of it.
fn parse(key: &'static str, url: &str) -> Result<(EntryPoint, Uri), SourceRefusal> {
    let bad = |reason| SourceRefusal::BadUrl {
        key,
        url: url.to_owned(),
        reason,
    };
    let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
    let (scheme, default_port) = match uri.scheme_str() {
        Some("http") => (Scheme::Http, 80),
        Some("https") => (Scheme::Https, 443),
        _ => return Err(bad("the scheme is missing or unknown")),
    };
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| bad("the host is missing"))?;
    let entry = EntryPoint {
        scheme,
        base: uri.path().trim_end_matches('/').to_owned(),
        ..plain_entry(host, uri.port_u16().unwrap_or(default_port))
    };
    Ok((entry, uri))
}

/// A host that is asked over HTTP/1.1, until more is known about it.
fn plain_entry(host: &str, port: u16) -> EntryPoint {
    EntryPoint {
        scheme: Scheme::Http,
        host: host.to_owned(),
        port,
        base: String::new(),
        dns: None,
        page: None,
        edge: None,
        hosts: Vec::new(),
        trust: Trust::default(),
        http: HttpVersion::Http1,
        // Until the addresses are known.
        reach: Reach::Loopback,
    }
}

/// A value of a level, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// When the server was asked.
    pub(super) at: SimTime,
    pub(super) level: Level,
    pub(super) value: Result<f64, String>,
}

/// Readings from a thread, which ends when this is dropped.
pub(super) struct Observer {
    readings_rx: mpsc::Receiver<Reading>,
}

impl Observer {
    /// Starts to ask.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub(super) fn start(source: Source, clock: Clock) -> std::io::Result<Self> {
        let (readings_tx, readings_rx) = mpsc::channel(READINGS_WAITING_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let ask = move || {
            let asking = ask_until_closed(&source, clock, &readings_tx);
            runtime.block_on(LocalSet::new().run_until(asking));
            // A lookup of the operating system may still be in progress; nobody waits for it.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("observer".to_owned());
        // It ends by itself once the receiver is gone.
        drop(thread.spawn(ask)?);
        Ok(Self { readings_rx })
    }

    /// Returns the next reading that has arrived; `None` if there is none.
    pub(super) fn poll_reading(&mut self) -> Option<Reading> {
        self.readings_rx.try_recv().ok()
    }
}

/// Asks at regular times until nobody wants to know any more.
async fn ask_until_closed(source: &Source, clock: Clock, readings_tx: &mpsc::Sender<Reading>) {
    let server = match Server::new(source, clock) {
        Ok(server) => server,
        Err(error) => {
            let reason = error.to_string();
            for &(level, _) in &source.queries {
                let (at, value) = (clock.now(), Err(reason.clone()));
                // The log keeps the first reason, so that one report is enough.
                drop(readings_tx.send(Reading { at, level, value }).await);
            }
            return;
        }
    };
    tokio::time::sleep_until(clock.wall_instant(SimTime::ZERO)).await;
    let mut turns = interval(source.every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = turns.tick() => {}
            () = readings_tx.closed() => return,
        }
        let at = clock.now();
        let answers = tokio::select! {
            answers = server.read(&source.queries) => answers,
            () = readings_tx.closed() => return,
        };
        for (level, value) in answers {
            if readings_tx
                .send(Reading { at, level, value })
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
