//! `meshlab svc echo|nc|tls|register|get`: small clients, and a server that echoes.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use clap::Args;
use url::Url;

use crate::app::ui;
use crate::app::verb::{Context, Run};
use crate::core::failure::Result;
use crate::samples;
use crate::samples::register::RegisterArgs;

fn print_line(text: &str) -> Result<ExitCode> {
    ui::print_raw(format!("{text}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Send back what comes in
#[derive(Debug, Args)]
pub(crate) struct EchoArgs {
    /// Address and port to listen on
    #[arg(long)]
    listen: SocketAddr,
}

impl Run for EchoArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        samples::echo::serve(self.listen, |text| drop(print_line(&text))).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Connect, send standard input, print the answer
#[derive(Debug, Args)]
pub(crate) struct NcArgs {
    /// IP address
    host: IpAddr,
    /// Port
    port: u16,
}

impl Run for NcArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        samples::nc::run((self.host, self.port).into()).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Start a TLS handshake without a client certificate; print the server's certificate and its answer
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// IP address
    host: IpAddr,
    /// Port
    port: u16,
}

impl Run for TlsArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        print_line(&samples::tls_probe::describe((self.host, self.port).into()).await?)
    }
}

impl Run for RegisterArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        print_line(&samples::register::run(&self).await?.join("\n"))
    }
}

/// Get a URL and print the answer; JSON is indented
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// URL to get
    url: Url,
    /// Print only these fields of every JSON object (a.b selects a nested field)
    #[arg(long, value_delimiter = ',', value_name = "FIELD")]
    only: Vec<String>,
    /// Print only lines that contain one of these texts
    #[arg(long, value_delimiter = ',', value_name = "TEXT")]
    matching: Vec<String>,
}

impl Run for GetArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        print_line(&samples::get::run(&self.url, &self.only, &self.matching).await?)
    }
}
