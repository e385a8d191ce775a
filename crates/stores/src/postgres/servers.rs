//! Starts the servers of a pair: with a new database, a copy of the primary, or the data it had.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::config::{Config, Files, SUPERUSER, hba_text};
use super::{POLL, PostgresPair, words};
use crate::StoresError;
use crate::message::{Ending, Invocation, Order, Step};
use crate::server::Server;
use crate::shared_memory::SharedMemory;

/// Timeout of a start, not including the copy of the primary.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Size of a segment of the write-ahead log in MiB. With PostgreSQL's default of 16, copying an empty database takes twice as
/// long.
const WAL_SEGMENT_MIB: u32 = 4;

/// Returns the name of a site's server.
pub(super) fn name(site: usize) -> String {
    format!("postgres-{site}")
}

impl PostgresPair {
    /// Creates a database cluster, starts its server, and creates the clients' user and database.
    pub(super) async fn create(&self, site: usize) -> Result<Server, StoresError> {
        let (server, directory) = self.claim(site)?;
        let files = Files(&directory);
        self.host
            .write(&files.password(), &self.superuser_password)?;
        let mut arguments = vec![
            "--pgdata".to_owned(),
            text(files.data()),
            format!("--username={SUPERUSER}"),
            "--pwfile".to_owned(),
            text(files.password()),
        ];
        arguments.extend(
            [
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ]
            .map(ToOwned::to_owned),
        );
        arguments.push(format!("--wal-segsize={WAL_SEGMENT_MIB}"));
        let initdb = Invocation {
            program: self.host.programs().initdb.clone(),
            arguments,
            environment: Vec::new(),
        };
        let steps = vec![Step::Run(initdb)];
        let server = self.start_server(site, server, steps).await?;
        let set_up = async { self.connect(site).await?.set_up(&self.password).await };
        set_up.await.map_err(|error| StoresError::Unreachable {
            server: name(site),
            reason: words(&error),
        })?;
        Ok(server)
    }

    /// Copies the primary's data and starts a standby with it.
    pub(super) async fn copy(&self, site: usize, primary: usize) -> Result<Server, StoresError> {
        let (server, directory) = self.claim(site)?;
        let files = Files(&directory);
        let primary = self.address(primary);
        let pg_basebackup = Invocation {
            program: self.host.programs().pg_basebackup.clone(),
            arguments: vec![
                format!("--pgdata={}", text(files.data())),
                format!("--host={}", primary.ip()),
                format!("--port={}", primary.port()),
                format!("--username={SUPERUSER}"),
                "--no-password".to_owned(),
                "--wal-method=stream".to_owned(),
                "--checkpoint=fast".to_owned(),
                "--no-sync".to_owned(),
                "--no-manifest".to_owned(),
            ],
            environment: vec![("PGPASSFILE".to_owned(), text(files.passfile()))],
        };
        let steps = vec![
            Step::Run(pg_basebackup),
            Step::Touch(files.standby_signal()),
        ];
        self.start_server(site, server, steps).await
    }

    /// Starts a server with the data it had. A failure doesn't change the directory.
    pub(super) async fn start_again(
        &self,
        site: usize,
        directory: &Path,
    ) -> Result<Server, StoresError> {
        let server = Server::claim(&self.host, &name(site), directory, Ending::Keep)?;
        self.start_server(site, server, Vec::new()).await
    }

    /// Rewrites the configuration of a running server and makes the server reload it.
    pub(super) fn configure(
        &self,
        site: usize,
        waits_for_standby: bool,
    ) -> Result<(), StoresError> {
        let Some(server) = self.sites[site].alive() else {
            return Ok(());
        };
        self.write_config(site, server.directory(), waits_for_standby)?;
        server.signal(Signal::SIGHUP);
        Ok(())
    }

    /// Creates a directory with a guard.
    fn claim(&self, site: usize) -> Result<(Server, PathBuf), StoresError> {
        let name = name(site);
        let directory = self.host.directory(&name);
        let server = Server::claim(&self.host, &name, &directory, Ending::Remove)?;
        self.host.make(&directory)?;
        Ok((server, directory))
    }

    /// Starts a server after these steps, and waits until it is ready: a primary for queries, a standby for data.
    async fn start_server(
        &self,
        site: usize,
        mut server: Server,
        steps: Vec<Step>,
    ) -> Result<Server, StoresError> {
        let directory = server.directory().to_owned();
        let files = Files(&directory);
        self.write_config(site, &directory, false)?;
        let hba = hba_text(&self.settings.clients);
        self.host.write(&files.hba(), &hba)?;
        let passfile = format!("*:*:*:{SUPERUSER}:{}\n", self.superuser_password);
        self.host.write(&files.passfile(), &passfile)?;
        let order = Order {
            ids: self.host.account().ids(),
            steps,
            server: Invocation {
                program: self.host.programs().postgres.clone(),
                arguments: vec![
                    "-D".to_owned(),
                    text(files.data()),
                    "-c".to_owned(),
                    format!("config_file={}", text(files.config())),
                    "-c".to_owned(),
                    format!("hba_file={}", text(files.hba())),
                ],
                environment: Vec::new(),
            },
            shared_memory: Some(SharedMemory {
                lock_file: files.lock(),
                ipcrm: self.host.programs().ipcrm.clone(),
            }),
        };
        server.start(order).await?;
        wait_until_ready(server, &files).await
    }

    fn write_config(
        &self,
        site: usize,
        directory: &Path,
        waits_for_standby: bool,
    ) -> Result<(), StoresError> {
        let config = Config {
            settings: &self.settings,
            site: self.sites[site].address,
            port: self.port,
            link: self.link.address(),
            waits_for_standby,
        };
        self.host.write(&Files(directory).config(), &config.file())
    }
}

async fn wait_until_ready(server: Server, files: &Files<'_>) -> Result<Server, StoresError> {
    let is_standby = files.standby_signal().exists();
    let starting = async {
        loop {
            if let Some(how) = server.end() {
                return Err(server.death_at_start(how));
            }
            if is_ready(&files.lock(), is_standby) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    };
    match tokio::time::timeout(START_TIMEOUT, starting).await {
        Ok(Ok(())) => Ok(server),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(StoresError::StartTimeout {
            server: server.name().to_owned(),
            waited: START_TIMEOUT,
            log_tail: server.log_tail(),
        }),
    }
}

/// Returns whether the eighth line of the lock file has the wanted status: `ready` for a server that accepts queries,
/// `standby` for one that only follows. A primary has `standby`, too, while it recovers from a kill.
fn is_ready(lock: &Path, is_standby: bool) -> bool {
    let text = std::fs::read_to_string(lock).unwrap_or_default();
    match text.lines().nth(7).map(str::trim) {
        Some("ready") => true,
        Some("standby") => is_standby,
        Some(_) | None => false,
    }
}

/// Converts a path to an argument. All paths are in this crate's own directories.
fn text(path: PathBuf) -> String {
    path.into_os_string().to_string_lossy().into_owned()
}
