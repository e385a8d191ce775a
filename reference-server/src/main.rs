//! `tiketi-server`: the reference server as a stand-alone process.

mod on_sale;

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use clap::Parser;
use on_sale::{BadValue, check_total, demo_sections, name, profile, section, speed, standing};
use tiketi_server::{
    ClientLimits, Clients, DataTier, DatabaseEndpoint, EmbeddedTier, Instance, Profile,
    RedisEndpoint, Section, ServersConfig, ServersTier, Settings, SetupError, Show, StandingArea,
    claim_namespace, prepare_database,
};
use tiketi_server_url::{BadServerUrl, PostgresUrl, RedisUrl, redacted};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Time that open sockets and requests have to finish after SIGTERM.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// How often to check whether the instances have stopped.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Minimum length of the secret of a server that other machines can reach: shorter ones can be guessed from a token.
const SECRET_LENGTH_MIN: usize = 8;

/// Lifetime of a printed token.
const TOKEN_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Longest hold in seconds: 31 days, which no sale lasts.
const HOLD_MAX_S: u64 = 31 * 24 * 3_600;

const EXAMPLES: &str = "\
Examples:
  tiketi-server                                   sell a demo show on http://127.0.0.1:3001
  tiketi-server --instances 2 --active-max 5      run two instances (ports 3001 and 3002); admit 5 users at a time
  tiketi-server --profile t3-medium-node          emulate the CPU times of a Node backend on a t3.medium

  REDIS_URL=redis://127.0.0.1 DATABASE_URL=postgres://user:password@127.0.0.1/tickets tiketi-server --prefix sim:
                                                  use your own Redis and PostgreSQL

  token=$(tiketi-server --print-token kim@example.com)
  tiketi-server --trust-tokens &
  curl -H \"Authorization: Bearer $token\" http://127.0.0.1:3001/api/seats/layouts";

/// Reference ticketing server for the TIKETI API, with data in memory or in Redis and PostgreSQL.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    host: IpAddr,
    /// Port of the first instance; 0 picks a free port for each.
    #[arg(long, default_value_t = 3_001, env = "PORT")]
    port: u16,
    /// Number of instances; they share the data tier and use consecutive ports.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    instances: u16,
    /// Redis URL (`redis://…`, or `rediss://…` for TLS). Prefer the environment variable for passwords.
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "database"
    )]
    redis: Option<UrlText>,
    /// PostgreSQL URL (`postgres://…`). Prefer the environment variable for passwords.
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "redis"
    )]
    database: Option<UrlText>,
    /// Prefix of all Redis keys. Keys from an earlier run are deleted; the server doesn't start if it finds other keys.
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        requires = "redis"
    )]
    prefix: String,
    /// PostgreSQL schema. Tables from an earlier run are dropped; the server doesn't start if it finds other tables.
    #[arg(long, default_value = DatabaseEndpoint::DEFAULT_SCHEMA, requires = "database")]
    schema: String,
    /// Title of the show on sale.
    #[arg(long, default_value = "TIKETI Demo Night", value_parser = name)]
    title: String,
    /// Seated section, `NAME:ROWS:SEATS:PRICE` (repeatable).
    #[arg(long = "section", value_name = "SECTION", value_parser = section)]
    sections: Vec<Section>,
    /// Standing area, `NAME:TICKETS:PRICE` (repeatable).
    #[arg(long = "standing", value_name = "AREA", value_parser = standing)]
    standing: Vec<StandingArea>,
    /// Number of users who can shop at the same time; the others wait.
    #[arg(
        long,
        default_value_t = Settings::default().active_max,
        value_name = "USERS",
        value_parser = clap::value_parser!(u32).range(1..=10_000_000)
    )]
    active_max: u32,
    /// Seconds before an unpaid seat hold expires.
    #[arg(
        long,
        default_value_t = Settings::default().hold.as_secs(),
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=HOLD_MAX_S)
    )]
    hold: u64,
    /// Requests per user and minute; 0 disables the limit.
    #[arg(
        long,
        default_value_t = 100,
        value_name = "REQUESTS",
        value_parser = clap::value_parser!(u32).range(..=1_000_000)
    )]
    rate_limit: u32,
    /// Service times of the emulated CPU: native or t3-medium-node.
    #[arg(long, default_value = "native", value_parser = profile)]
    profile: Profile,
    /// Speed of scenario time relative to real time.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Open connections per client address and instance; 0 disables the limit. Behind a load balancer, all clients have one
    /// address.
    #[arg(long, default_value_t = ClientLimits::default().connections_max.unwrap_or(0), value_name = "CONNECTIONS")]
    connections_per_client: u32,
    /// Seconds that a client may take to send the head or the body of a request, or to read a response.
    #[arg(
        long,
        default_value_t = ClientLimits::default().timeout.as_secs(),
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    client_timeout: u64,
    /// Secret that signs the HS256 tokens. The default is publicly known, and only accepted on loopback addresses.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// Accept tokens of users who never registered, if the signature is valid.
    #[arg(long)]
    trust_tokens: bool,
    /// Print a token for this email address and exit.
    #[arg(long, value_name = "USER")]
    print_token: Option<String>,
    /// Print a token with the role `admin`.
    #[arg(long, requires = "print_token")]
    admin: bool,
}

/// The URL of a server as given. Clap does not parse it, because its error message would repeat the password.
#[derive(Clone)]
struct UrlText(String);

impl FromStr for UrlText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for UrlText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&redacted(&self.0))
    }
}

impl UrlText {
    /// Parses the URL, or returns an error that names the flag and does not repeat the URL.
    fn parse<U: FromStr<Err = BadServerUrl>>(
        &self,
        flag: &str,
        expected: &str,
    ) -> std::io::Result<U> {
        let url = self.0.parse();
        url.map_err(|error| {
            std::io::Error::other(format!("{flag} {error}\n\nhint: pass {expected}"))
        })
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let done = match &args.print_token {
        Some(user) => print_token(&args, user),
        None => serve(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::debug!(?error, "failed");
            // If stderr is closed too, there is nowhere left to report the error.
            drop(writeln!(std::io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print_token(args: &Args, user: &str) -> std::io::Result<()> {
    let secret = settings(args).jwt_secret;
    let token = tiketi_server::mint_token(&secret, user, args.admin, TOKEN_TTL);
    writeln!(std::io::stdout(), "{token}")
}

/// Returns why this secret must not be used on an address that other machines can reach; `None` if it may.
fn unsafe_secret(host: IpAddr, secret: &str) -> Option<String> {
    if host.to_canonical().is_loopback() {
        return None;
    }
    let problem = if secret == Settings::PUBLIC_SECRET {
        "the default secret is publicly known".to_owned()
    } else if secret.trim().len() < SECRET_LENGTH_MIN {
        format!("the secret has fewer than {SECRET_LENGTH_MIN} characters")
    } else {
        return None;
    };
    Some(format!(
        "other machines can reach {host}, and {problem}: anyone could sign in as any user\n\n\
         hint: set JWT_SECRET to a long random text, or listen on 127.0.0.1"
    ))
}

fn serve(args: &Args) -> std::io::Result<()> {
    if let Some(problem) = unsafe_secret(args.host, &settings(args).jwt_secret) {
        return Err(std::io::Error::other(problem));
    }
    raise_open_files();
    // Installed before the server prints its address: a script that reads the address may send a signal at once.
    let runtime = runtime()?;
    let signals = runtime.block_on(async { Signals::listen() })?;
    let settings = settings(args);
    let show = show(args).map_err(std::io::Error::other)?;
    let id = show.id;
    let tier = tier(args, &settings, show)?;
    let mut instances = Vec::new();
    for index in 0..args.instances {
        let port = match args.port {
            0 => 0,
            first => first.checked_add(index).ok_or_else(|| {
                std::io::Error::other(format!(
                    "instance {index} would need a port above 65535 (first port: {first})"
                ))
            })?,
        };
        let address = SocketAddr::new(args.host, port);
        let listener = TcpListener::bind(address).map_err(|error| {
            std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })?;
        let name = format!("instance-{}", index + 1);
        let instance = Instance::start(name, listener, tier.clone(), settings.clone())?;
        writeln!(
            std::io::stdout(),
            "listening on http://{}",
            instance.address()
        )?;
        instances.push(instance);
    }
    writeln!(std::io::stdout(), "show {id}: {}", args.title)?;
    runtime.block_on(wait_for_the_end(signals, instances))
}

/// Raises the limit on open files to what the system allows: each connection needs one.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "could not raise the limit on open files");
    }
}

/// Returns the data tier: Redis and PostgreSQL if they are configured, otherwise in memory.
fn tier(args: &Args, settings: &Settings, show: Show) -> std::io::Result<DataTier> {
    let (Some(redis), Some(database)) = (&args.redis, &args.database) else {
        let lost_window = Duration::from_secs(1);
        return Ok(EmbeddedTier::new(settings, vec![show], lost_window).into());
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "scenario time begins when the server starts"
    )]
    let origin = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let origin = origin.map_err(std::io::Error::other)?;
    let config = ServersConfig {
        redis: RedisEndpoint::at(
            &redis.parse("--redis", RedisUrl::EXPECTED)?,
            args.prefix.clone(),
        ),
        database: DatabaseEndpoint::at(
            &database.parse("--database", PostgresUrl::EXPECTED)?,
            args.schema.clone(),
        ),
        name_server: None,
        source: None,
        origin_unix_ns: u64::try_from(origin.as_nanos()).unwrap_or(u64::MAX),
    };
    let shows = vec![show];
    let prepared = runtime()?.block_on(async {
        claim_namespace(&config).await?;
        prepare_database(&config, &shows).await
    });
    prepared.map_err(|error| with_hint(&error))?;
    Ok(ServersTier::new(config, settings, shows).into())
}

/// Appends the hint of an error, if it has one.
fn with_hint(error: &SetupError) -> std::io::Error {
    std::io::Error::other(match error.hint() {
        Some(hint) => format!("{error}\n\nhint: {hint}"),
        None => error.to_string(),
    })
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The signals that stop the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves until SIGTERM or Ctrl-C, then drains. A second signal stops the server immediately, and so does the panic of an
/// instance: a server that looks alive and sells nothing would be worse.
async fn wait_for_the_end(mut signals: Signals, instances: Vec<Instance>) -> std::io::Result<()> {
    tokio::select! {
        () = signals.next() => {}
        crashed = crash(&instances) => {
            let error = format!("{crashed} has panicked, so the server stops");
            instances.iter().for_each(Instance::kill);
            return Err(std::io::Error::other(error));
        }
    }
    instances.iter().for_each(Instance::drain);
    let drained = async {
        while !instances.iter().all(Instance::is_stopped) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = drained => {}
        () = tokio::time::sleep(DRAIN_TIME) => {}
        () = signals.next() => {}
    }
    instances.iter().for_each(Instance::kill);
    instances.into_iter().for_each(Instance::join);
    Ok(())
}

/// Returns the name of the first instance that panics.
async fn crash(instances: &[Instance]) -> &str {
    loop {
        if let Some(crashed) = instances.iter().find(|instance| instance.has_crashed()) {
            return crashed.name();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn settings(args: &Args) -> Settings {
    let defaults = Settings::default();
    let secret = args.jwt_secret.clone();
    Settings {
        active_max: args.active_max,
        hold: Duration::from_secs(args.hold),
        rate_limit: (args.rate_limit > 0).then_some(args.rate_limit),
        profile: args.profile.clone(),
        speed: args.speed,
        jwt_secret: secret.unwrap_or_else(|| defaults.jwt_secret.clone()),
        trust_tokens: args.trust_tokens,
        clients: Clients::Anyone(ClientLimits {
            connections_max: (args.connections_per_client > 0)
                .then_some(args.connections_per_client),
            timeout: Duration::from_secs(args.client_timeout),
        }),
        ..defaults
    }
}

fn show(args: &Args) -> Result<Show, BadValue> {
    let sections = if args.sections.is_empty() && args.standing.is_empty() {
        demo_sections()
    } else {
        args.sections.clone()
    };
    check_total(&sections, &args.standing)?;
    Ok(Show::new(args.title.clone(), sections).with_standing(args.standing.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_others_can_reach_needs_a_secret_of_its_own() {
        for host in [
            "0.0.0.0",
            "::",
            "192.0.2.7",
            "2001:db8::1",
            "::ffff:192.0.2.7",
        ] {
            let host = host.parse().unwrap();
            for secret in [Settings::PUBLIC_SECRET, "", "short", "            "] {
                let problem = unsafe_secret(host, secret).expect(secret);
                assert!(problem.contains("hint: "), "{problem}");
                assert!(secret.trim().is_empty() || !problem.contains(secret));
            }
            assert_eq!(unsafe_secret(host, "a secret of my own"), None);
        }
        for host in ["127.0.0.1", "127.0.11.1", "::1", "::ffff:127.0.0.1"] {
            let host = host.parse().unwrap();
            assert_eq!(unsafe_secret(host, Settings::PUBLIC_SECRET), None);
        }
    }

    #[test]
    fn the_server_ends_with_an_error_when_an_instance_panics() {
        // A period beyond what a clock can tell makes a periodic task panic.
        let settings = Settings {
            update_every: Duration::MAX,
            speed: 0.5,
            ..Settings::default()
        };
        let tier = EmbeddedTier::new(&settings, Vec::new(), Duration::ZERO);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let instance = Instance::start("instance-1", listener, tier, settings).unwrap();
        let ended = runtime().unwrap().block_on(async {
            let signals = Signals::listen().unwrap();
            let end = wait_for_the_end(signals, vec![instance]);
            tokio::time::timeout(Duration::from_secs(30), end).await
        });
        assert_eq!(
            ended.expect("it goes on").unwrap_err().to_string(),
            "instance-1 has panicked, so the server stops"
        );
    }

    #[test]
    fn flags_outside_their_limits_are_rejected_with_the_expected_values() {
        let rejected = [
            ("--active-max=0", "1..=10000000"),
            ("--hold=0", "1..=2678400"),
            ("--hold=18446744073709551615", "1..=2678400"),
            ("--rate-limit=1000001", "=1000000"),
            ("--speed=1e-300", "expected a number from 0.1 to 1000"),
            ("--speed=NaN", "expected a number from 0.1 to 1000"),
            ("--speed=1e300", "expected a number from 0.1 to 1000"),
            ("--section=A:0:5:1", "ROWS is `0` (expected 1 to 10000)"),
            (
                "--section=A:1000000:5:1",
                "ROWS is `1000000` (expected 1 to 10000)",
            ),
            (
                "--section=A:5:4294967296:1",
                "SEATS is `4294967296` (expected 1 to 10000)",
            ),
            (
                "--section=A:5:5:18446744073709551615",
                "PRICE is `18446744073709551615`",
            ),
            (
                "--section=:5:5:1",
                "expected 1 to 200 characters on one line",
            ),
            ("--section=A:5:5", "expected NAME:ROWS:SEATS:PRICE"),
            (
                "--standing=A:200001:1",
                "TICKETS is `200001` (expected 1 to 200000)",
            ),
            ("--title=", "expected 1 to 200 characters on one line"),
            ("--title=a\nb", "expected 1 to 200 characters on one line"),
        ];
        for (flag, message) in rejected {
            let error = Args::try_parse_from(["tiketi-server", flag]).expect_err(flag);
            assert!(error.to_string().contains(message), "{flag}: {error}");
        }
    }

    #[test]
    fn a_show_has_neither_too_many_tickets_nor_two_sections_of_one_name() {
        let show = |flags: &[&str]| {
            let args = ["tiketi-server"].iter().chain(flags);
            show(&Args::try_parse_from(args).expect("valid flags"))
        };
        assert!(show(&[]).is_ok());
        assert!(show(&["--section=A:2000:100:1"]).is_ok());
        let many = show(&["--section=A:10000:10000:1", "--section=B:10000:10000:1"]);
        let many = many.expect_err("too many").to_string();
        assert!(
            many.starts_with("200000000 tickets in all (expected 0 to 200000)"),
            "{many}"
        );
        let twins = show(&["--section=A:5:5:1", "--standing=A:5:1"]);
        let twins = twins.expect_err("the same name").to_string();
        assert!(
            twins.contains("called `A`") && twins.contains("hint: "),
            "{twins}"
        );
    }

    #[test]
    fn an_invalid_url_is_an_error_that_does_not_repeat_its_password() {
        let text = UrlText("redis://:s3cret@h/999".to_owned());
        let read: std::io::Result<RedisUrl> = text.parse("--redis", RedisUrl::EXPECTED);
        let error = read.expect_err("Redis has no such database").to_string();
        assert!(
            error.starts_with("--redis has an invalid database number"),
            "{error}"
        );
        assert!(
            !format!("{error} {text:?}").contains("s3cret"),
            "{error} {text:?}"
        );
    }
}
