//! `tiketi-server`: the reference server as a process of its own.

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

/// Time for open sockets and requests to end after SIGTERM.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Life of a printed token.
const TOKEN_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);

const EXAMPLES: &str = "\
Examples:
  tiketi-server                                   a demo show on http://127.0.0.1:3001
  tiketi-server --instances 2 --active-max 5      two instances, ports 3001 and 3002, a tiny waiting room
  tiketi-server --profile t3-medium-node          as slow as a Node back end on a t3.medium

  REDIS_URL=redis://127.0.0.1 DATABASE_URL=postgres://user:password@127.0.0.1/tickets tiketi-server --prefix sim:
                                                  on servers of your own

  token=$(tiketi-server --print-token kim@example.com)
  tiketi-server --trust-tokens &
  curl -H \"Authorization: Bearer $token\" http://127.0.0.1:3001/api/seats/layouts";

/// Reference ticketing server: the TIKETI wire contract over an embedded data tier, or over Redis and PostgreSQL.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    host: IpAddr,
    /// Port of the first instance; 0 takes any free ones.
    #[arg(long, default_value_t = 3_001, env = "PORT")]
    port: u16,
    /// Instances on the same data tier, on consecutive ports.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    instances: u16,
    /// Redis, `redis://…` or `rediss://…`; a password belongs in the environment, where other users cannot read it.
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "database"
    )]
    redis: Option<UrlText>,
    /// PostgreSQL, `postgres://…`; a password belongs in the environment, where other users cannot read it.
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "redis"
    )]
    database: Option<UrlText>,
    /// What all keys in Redis begin with. What an earlier run has left behind it is dropped; foreign keys are refused.
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        requires = "redis"
    )]
    prefix: String,
    /// Schema of all tables. What an earlier run has left in it is dropped; foreign tables are refused.
    #[arg(long, default_value = DatabaseEndpoint::DEFAULT_SCHEMA, requires = "database")]
    schema: String,
    /// Title of the show on sale.
    #[arg(long, default_value = "TIKETI Demo Night")]
    title: String,
    /// A section, `NAME:ROWS:SEATS:PRICE`; may be given several times.
    #[arg(long = "section", value_name = "SECTION", value_parser = section)]
    sections: Vec<Section>,
    /// A standing area, `NAME:TICKETS:PRICE`; may be given several times.
    #[arg(long = "standing", value_name = "AREA", value_parser = standing)]
    standing: Vec<StandingArea>,
    /// Active users beyond whom people wait.
    #[arg(long, default_value_t = Settings::default().active_max, value_name = "USERS")]
    active_max: u32,
    /// Seconds a seat is held without payment.
    #[arg(long, default_value_t = Settings::default().hold.as_secs(), value_name = "SECONDS")]
    hold: u64,
    /// Requests a user may make in a minute; 0 switches the limit off.
    #[arg(long, default_value_t = 100, value_name = "REQUESTS")]
    rate_limit: u32,
    /// Service times of the emulated processor: native or t3-medium-node.
    #[arg(long, default_value = "native", value_parser = profile)]
    profile: Profile,
    /// Scenario seconds in a wall second.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Secret of the HS256 tokens; without one, a known secret that is good for tests only.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// Accept validly signed tokens of users who never registered.
    #[arg(long)]
    trust_tokens: bool,
    /// Print a token for this e-mail address, signed with the secret, and exit.
    #[arg(long, value_name = "USER")]
    print_token: Option<String>,
    /// Give the printed token the role `admin`.
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
            // When stderr is gone as well there is nobody left to tell.
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
    // Before anybody is told that the server is there: who knows it may end it.
    let runtime = runtime()?;
    let signals = runtime.block_on(async { Signals::listen() })?;
    let settings = settings(args);
    let show = show(args);
    let id = show.id;
    let tier = tier(args, &settings, show)?;
    let mut instances = Vec::new();
    for index in 0..args.instances {
        let port = match args.port {
            0 => 0,
            first => first.checked_add(index).ok_or_else(|| {
                std::io::Error::other(format!("no port {index} above {first} (highest: 65535)"))
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

/// The data tier: servers where some are given, else memory.
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
    prepared.map_err(|error| told(&error))?;
    Ok(ServersTier::new(config, settings, shows).into())
}

fn told(error: &SetupError) -> std::io::Error {
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

/// What ends the server.
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

/// Serves until SIGTERM or Ctrl-C, then drains; a second signal ends at once.
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

fn show(args: &Args) -> Show {
    let sections = if args.sections.is_empty() && args.standing.is_empty() {
        demo_sections()
    } else {
        args.sections.clone()
    };
    Show::new(args.title.clone(), sections).with_standing(args.standing.clone())
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

fn section(text: &str) -> Result<Section, String> {
    let malformed = || format!("{text:?} is not NAME:ROWS:SEATS:PRICE, such as VIP:5:20:154000");
    let parts: Vec<&str> = text.split(':').collect();
    let [name, rows, seats, price] = parts[..] else {
        return Err(malformed());
    };
    Ok(Section {
        name: name.to_owned(),
        rows: rows.parse().map_err(|_| malformed())?,
        seats_per_row: seats.parse().map_err(|_| malformed())?,
        price: price.parse().map_err(|_| malformed())?,
    })
}

fn standing(text: &str) -> Result<StandingArea, String> {
    let malformed = || format!("{text:?} is not NAME:TICKETS:PRICE, such as Floor:500:110000");
    let parts: Vec<&str> = text.split(':').collect();
    let [name, quantity, price] = parts[..] else {
        return Err(malformed());
    };
    Ok(StandingArea {
        name: name.to_owned(),
        quantity: quantity.parse().map_err(|_| malformed())?,
        price: price.parse().map_err(|_| malformed())?,
    })
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::named(name).ok_or_else(|| "no such profile (known: native, t3-medium-node)".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if speed.is_finite() && speed > 0.0 {
        Ok(speed)
    } else {
        Err("must be above 0".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
