//! `tiketi-server`: the reference server as a stand-alone process.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use clap::Parser;
use tiketi_server::{
    DataTier, DatabaseEndpoint, EmbeddedTier, Instance, Profile, RedisEndpoint, Section,
    ServersConfig, ServersTier, Settings, SetupError, Show, StandingArea, claim_namespace,
    prepare_database,
};
use tiketi_server_url::{BadServerUrl, PostgresUrl, RedisUrl, redacted};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Time that open sockets and requests have to finish after SIGTERM.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Lifetime of a printed token.
const TOKEN_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Longest hold in seconds: 31 days, which no sale lasts.
const HOLD_MAX_S: u64 = 31 * 24 * 3_600;

/// Most rows, and most seats per row.
const ROWS_MAX: u32 = 10_000;

/// Most seats and standing tickets together: no venue has more, and a larger list does not fit into one response.
const TICKETS_MAX: u64 = 200_000;

/// Highest price of a ticket, in won.
const PRICE_MAX: u32 = 100_000_000;

/// Longest name of a section or title, in characters.
const NAME_MAX: usize = 200;

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
    /// Secret that signs the HS256 tokens. The default is publicly known: use it only for tests.
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

fn serve(args: &Args) -> std::io::Result<()> {
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
    runtime.block_on(wait_for_the_end(signals, instances));
    Ok(())
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

/// Serves until SIGTERM or Ctrl-C, then drains. A second signal stops the server immediately.
async fn wait_for_the_end(mut signals: Signals, instances: Vec<Instance>) {
    signals.next().await;
    instances.iter().for_each(Instance::drain);
    let drained = async {
        while !instances.iter().all(Instance::is_stopped) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = drained => {}
        () = tokio::time::sleep(DRAIN_TIME) => {}
        () = signals.next() => {}
    }
    instances.iter().for_each(Instance::kill);
    instances.into_iter().for_each(Instance::join);
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

/// Checks that the sections and areas have different names and not too many tickets together.
fn check_total(sections: &[Section], standing: &[StandingArea]) -> Result<(), BadValue> {
    let seats = sections
        .iter()
        .map(|section| u64::from(section.rows) * u64::from(section.seats_per_row));
    let places = standing.iter().map(|area| u64::from(area.quantity));
    let tickets: u64 = seats.chain(places).sum();
    if tickets > TICKETS_MAX {
        return Err(BadValue::TooManyTickets { tickets });
    }
    let names = sections.iter().map(|section| &section.name);
    let mut names: Vec<_> = names
        .chain(standing.iter().map(|area| &area.name))
        .collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(BadValue::Twins {
            name: pair[0].clone(),
        }),
        None => Ok(()),
    }
}

fn demo_sections() -> Vec<Section> {
    [("VIP", 5, 154_000), ("R", 10, 132_000), ("S", 10, 99_000)]
        .into_iter()
        .map(|(name, rows, price)| Section {
            name: name.to_owned(),
            rows,
            seats_per_row: 20,
            price,
        })
        .collect()
}

/// Why the value of an option is invalid.
#[derive(Debug, thiserror::Error)]
enum BadValue {
    /// Not a section.
    #[error("expected NAME:ROWS:SEATS:PRICE, for example VIP:5:20:154000")]
    Section,
    /// Not a standing area.
    #[error("expected NAME:TICKETS:PRICE, for example Floor:500:110000")]
    StandingArea,
    /// A part of a section or an area that is not a number within its limits.
    #[error("{what} is `{value}` (expected {min} to {max})")]
    Part {
        what: &'static str,
        value: String,
        min: u32,
        max: u32,
    },
    /// A name that is empty, too long, or has control characters.
    #[error("expected 1 to {} characters on one line", NAME_MAX)]
    Name,
    /// More tickets than a venue has.
    #[error(
        "{tickets} tickets in all (expected 0 to {})\n\nhint: lower the rows, seats or tickets of --section and --standing",
        TICKETS_MAX
    )]
    TooManyTickets { tickets: u64 },
    /// Two sections or areas with the same name, whose tickets could not be told apart.
    #[error(
        "two sections or areas are called `{name}` (expected a different name for each)\n\nhint: change one --section or --standing"
    )]
    Twins { name: String },
    /// No profile has this name.
    #[error("unknown profile (expected native or t3-medium-node)")]
    Profile,
    /// Not a number within the limits.
    #[error("expected a number from 0.1 to 1000")]
    Speed,
}

fn section(text: &str) -> Result<Section, BadValue> {
    let parts: Vec<&str> = text.split(':').collect();
    let [name, rows, seats, price] = parts[..] else {
        return Err(BadValue::Section);
    };
    Ok(Section {
        name: self::name(name)?,
        rows: part("ROWS", rows, 1, ROWS_MAX)?,
        seats_per_row: part("SEATS", seats, 1, ROWS_MAX)?,
        price: part("PRICE", price, 0, PRICE_MAX)?,
    })
}

/// A number within its limits.
fn part<N: TryFrom<u32>>(
    what: &'static str,
    text: &str,
    min: u32,
    max: u32,
) -> Result<N, BadValue> {
    let number = text.parse().ok();
    let number = number.filter(|number| (min..=max).contains(number));
    let number = number.and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| BadValue::Part {
        what,
        value: text.to_owned(),
        min,
        max,
    })
}

/// A title, or the name of a section.
fn name(text: &str) -> Result<String, BadValue> {
    let is_valid =
        (1..=NAME_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    is_valid.then(|| text.to_owned()).ok_or(BadValue::Name)
}

fn standing(text: &str) -> Result<StandingArea, BadValue> {
    let parts: Vec<&str> = text.split(':').collect();
    let [name, quantity, price] = parts[..] else {
        return Err(BadValue::StandingArea);
    };
    let tickets_max = u32::try_from(TICKETS_MAX).unwrap_or(u32::MAX);
    Ok(StandingArea {
        name: self::name(name)?,
        quantity: part("TICKETS", quantity, 1, tickets_max)?,
        price: part("PRICE", price, 0, PRICE_MAX)?,
    })
}

fn profile(name: &str) -> Result<Profile, BadValue> {
    Profile::named(name).ok_or(BadValue::Profile)
}

fn speed(text: &str) -> Result<f64, BadValue> {
    let speed: f64 = text.parse().map_err(|_| BadValue::Speed)?;
    (0.1..=1_000.0)
        .contains(&speed)
        .then_some(speed)
        .ok_or(BadValue::Speed)
}

#[cfg(test)]
mod tests {
    use super::*;

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
