//! Flags of the connection to a target.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Flags that `run` and `probe` share: which certificates are accepted, and which one is presented.
#[derive(Debug, Args)]
pub struct ConnectionArguments {
    /// Trust the authorities of this PEM file, too; can be repeated (with `--target`).
    #[arg(
        long,
        env = "TIKETI_SIM_CA",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "target"
    )]
    pub ca: Vec<PathBuf>,
    /// Present the certificate of this PEM file to a server that demands one (with `--target`).
    #[arg(
        long,
        env = "TIKETI_SIM_CLIENT_CERT",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "target"
    )]
    pub client_cert: Option<PathBuf>,
    /// The private key of the client certificate (PEM, without a password) [default: it is in the file of --client-cert].
    #[arg(
        long,
        env = "TIKETI_SIM_CLIENT_KEY",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "client_cert"
    )]
    pub client_key: Option<PathBuf>,
    /// Send this name in the TLS handshake (SNI) and expect it in the certificate, instead of the host of the URL (with
    /// `--target`).
    #[arg(
        long,
        env = "TIKETI_SIM_SERVER_NAME",
        value_name = "NAME",
        value_hint = ValueHint::Hostname,
        requires = "target"
    )]
    pub server_name: Option<String>,
    /// The version of HTTP: HTTP/2 if an HTTPS target offers it, HTTP/1.1, or HTTP/2 only (with `--target`). With HTTP/2 each
    /// buyer has a connection of its own.
    #[arg(
        long,
        env = "TIKETI_SIM_HTTP",
        value_name = "VERSION",
        value_parser = ["auto", "1.1", "2"],
        requires = "target"
    )]
    pub http: Option<String>,
    /// Accept any certificate (with `--target`). The report says so. Can't be set through the environment.
    #[arg(long, requires = "target")]
    pub insecure: bool,
}
