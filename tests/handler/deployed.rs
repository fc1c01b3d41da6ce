//! The deploy command's own work, used: tables and environment come from a stack that it made, with the real engine, on moto.

use crate::common::{End, Knobs, TestService, Tunnel, in_time};
use crate::platform::{Door, end};
use crate::serverless::{self, Deployed, Program, Stack};
use http_tunnel::secret::Secret;
use http_tunnel::wire::Encoding;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Addresses on the platform, which the stand-in has others for.
const ADDRESSES: [&str; 4] = ["TUNNEL_CALLBACK_URL", "TUNNEL_HTTP_URL", "TUNNEL_PUBLIC_URL", "TUNNEL_STREAM_URL"];

/// A deployed stack; goes when it is dropped.
struct Made {
    _command: Child,
    description: Value,
}

impl Made {
    async fn by_the_deploy_command() -> Self {
        let mut command = Command::new(Path::new(ROOT).join("tests/pulumi/stack"));
        let command = command.arg("dev").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut command = command.spawn().expect("the script is there");
        let mut lines = BufReader::new(command.stdout.take().expect("it is piped")).lines();
        let line = tokio::time::timeout(std::time::Duration::from_secs(240), lines.next_line());
        let line = line.await.expect("a deployment takes no minutes").expect("it is text");
        let line = line.expect("it prints what it made; tests/pulumi/run --collect-only installs what it takes");
        Self { _command: command, description: serde_json::from_str(&line).expect("it is JSON") }
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let variables = self.description["environment"].as_object().expect("the function has an environment");
        variables.iter().map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_goes_through_what_the_deploy_command_made() {
    let made = Made::by_the_deploy_command().await;
    let mut environment = made.environment();
    let token = environment["TUNNEL_TOKEN"].clone();
    assert!(token.len() >= 32, "the deploy command made a token");
    for name in ADDRESSES {
        environment.remove(name).unwrap_or_else(|| panic!("{name} is not deployed"));
    }
    let region = made.description["region"].as_str().expect("a region").to_owned();
    let endpoint: http::Uri = made.description["endpoint"].as_str().expect("a text").parse().expect("a URL");
    let dynamodb = endpoint.authority().expect("a host").as_str().parse().expect("an address");

    let mut program =
        Program::read(Path::new(ROOT), "dev", &[("token", token.as_str())]).expect("the program is there");
    program.is_deployed_as("connections", &environment["TUNNEL_CONNECTIONS_TABLE"]);
    program.is_deployed_as("pending", &environment["TUNNEL_PENDING_TABLE"]);
    let handler = Path::new(env!("CARGO_BIN_EXE_handler"));
    let deployed = Deployed { dynamodb, region, environment };
    let stack = Arc::new(Stack::start_on(program, deployed, handler, serverless::Knobs::default()).await);

    let service = TestService::echo().await;
    let end = End { token: Some(Secret::new(&token)), ..end(&stack, Door::FunctionUrl) };
    let knobs = Knobs { encoding: Encoding::Text, end: Some(end), ..Knobs::default() };
    let tunnel = in_time("the link", Tunnel::with(knobs, &service)).await;
    assert_eq!(tunnel.post("/", b"through the deployed stack").await.text(), "through the deployed stack");
}
