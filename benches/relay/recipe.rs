//! How each contender is started. Everybody is silent under load, and speaks only where the start is timed.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{process::free_address, programs::Programs, visitor::Target};

/// bore's control port, which no flag changes.
const BORE_CONTROL: ([u8; 4], u16) = ([127, 0, 0, 1], 7835);

/// The tunnel's name at our relay.
const NAME: &str = "bench";

/// For an inspector that nobody looks at.
const ANY_PORT: &str = "127.0.0.1:0";

/// What a recipe is made from.
pub(crate) struct Setting<'a> {
    pub(crate) programs: &'a Programs,
    /// Where the service listens.
    pub(crate) service: SocketAddr,
    /// For configuration files.
    pub(crate) folder: &'a Path,
    /// The local program is to say when its tunnel is up, and may take any public address.
    pub(crate) announce: bool,
}

/// The commands that make one tunnel.
pub(crate) struct Recipe {
    /// The public end, and the address at which it waits for the local end.
    pub(crate) public: Option<(Command, SocketAddr)>,
    pub(crate) local: Option<Command>,
    /// Where visitors go.
    pub(crate) target: Target,
    /// Whether a line of the local program's output says that the tunnel is up.
    pub(crate) is_online: fn(&str) -> bool,
}

pub(crate) fn direct(setting: &Setting) -> Result<Recipe> {
    Ok(Recipe { public: None, local: None, target: Target::plain(setting.service), is_online: |_| true })
}

pub(crate) fn bore(setting: &Setting) -> Result<Recipe> {
    let control = SocketAddr::from(BORE_CONTROL);
    let taken = || format!("bore needs {control} for its control connections, and it is taken");
    std::net::TcpListener::bind(control).with_context(taken)?;
    let visitors = free_address()?;
    let mut server = command(&setting.programs.bore, false);
    server.args(["server", "--bind-addr", "127.0.0.1"]);
    let mut local = command(&setting.programs.bore, setting.announce);
    local.args(["local", "--local-host", "127.0.0.1", "--to", "127.0.0.1"]).arg(setting.service.port().to_string());
    if !setting.announce {
        local.args(["--port", &visitors.port().to_string()]);
    }
    let is_online = |line: &str| line.contains("listening at 127.0.0.1:");
    Ok(Recipe { public: Some((server, control)), local: Some(local), target: Target::plain(visitors), is_online })
}

pub(crate) fn rathole(setting: &Setting) -> Result<Recipe> {
    let (control, visitors) = (free_address()?, free_address()?);
    let path = setting.folder.join(format!("rathole-{}.toml", control.port()));
    let config = format!(
        "[server]\nbind_addr = \"{control}\"\ndefault_token = \"bench\"\n[server.services.web]\nbind_addr = \"{visitors}\"\n\
         [client]\nremote_addr = \"{control}\"\ndefault_token = \"bench\"\n[client.services.web]\nlocal_addr = \"{}\"\n",
        setting.service
    );
    fs::write(&path, config).with_context(|| format!("could not write {}", path.display()))?;
    let mut server = command(&setting.programs.rathole, false);
    server.arg("--server").arg(&path);
    let mut local = command(&setting.programs.rathole, setting.announce);
    local.arg("--client").arg(&path);
    let is_online = |line: &str| line.contains("Control channel established");
    Ok(Recipe { public: Some((server, control)), local: Some(local), target: Target::plain(visitors), is_online })
}

/// Ours as two programs: `relay`, and `forwarder` linked to it.
pub(crate) fn separate(setting: &Setting) -> Result<Recipe> {
    linked(setting, "off")
}

/// The same with the inspector, which the others do not have.
pub(crate) fn inspected(setting: &Setting) -> Result<Recipe> {
    linked(setting, ANY_PORT)
}

fn linked(setting: &Setting, inspect: &str) -> Result<Recipe> {
    let address = free_address()?;
    let mut relay = command(&setting.programs.relay, false);
    relay.args(["--listen", &address.to_string(), "--domain", "localhost", "--open"]);
    let mut local = forwarder(setting, inspect);
    local.args(["--endpoint", &format!("ws://{address}")]);
    if !setting.announce {
        local.args(["--name", NAME]);
    }
    let target = Target { address, host: format!("{NAME}.localhost:{}", address.port()) };
    Ok(Recipe { public: Some((relay, address)), local: Some(local), target, is_online })
}

/// Ours as one program: the relay inside the forwarder.
pub(crate) fn embedded(setting: &Setting) -> Result<Recipe> {
    alone(setting, "off")
}

/// The same with the inspector.
pub(crate) fn embedded_inspected(setting: &Setting) -> Result<Recipe> {
    alone(setting, ANY_PORT)
}

fn alone(setting: &Setting, inspect: &str) -> Result<Recipe> {
    // Silent, it cannot say which port it took; announcing, it takes any.
    let address = if setting.announce { SocketAddr::from(([127, 0, 0, 1], 0)) } else { free_address()? };
    let mut local = forwarder(setting, inspect);
    local.args(["--listen", &address.to_string()]);
    Ok(Recipe { public: None, local: Some(local), target: Target::plain(address), is_online })
}

fn forwarder(setting: &Setting, inspect: &str) -> Command {
    let mut command = command(&setting.programs.forwarder, setting.announce);
    command.arg(setting.service.port().to_string()).arg(if setting.announce { "--json" } else { "--quiet" });
    command.args(["--inspect", inspect]);
    command
}

fn is_online(line: &str) -> bool {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    event["event"] == "online" && event["url"].is_string()
}

/// Without the caller's settings, which could change what is measured.
fn command(program: &Path, announce: bool) -> Command {
    let mut command = Command::new(program);
    let bores = ["BORE_SECRET", "BORE_SERVER", "BORE_LOCAL_PORT", "BORE_MIN_PORT", "BORE_MAX_PORT"];
    let ours = ["TUNNEL_CONFIG", "TUNNEL_ENDPOINT", "TUNNEL_NAME", "TUNNEL_TOKEN"];
    for variable in [&bores[..], &ours].concat() {
        command.env_remove(variable);
    }
    // Where no config file is.
    command.env("XDG_CONFIG_HOME", "/");
    command.env("RUST_LOG", if announce { "info" } else { "error" });
    command.stdout(if announce { Stdio::piped() } else { Stdio::null() });
    command
}
