//! A tunnel through the serverless end: the real function's processes in the stand-in for the platform, and a forwarder.

#![allow(dead_code, unreachable_pub)]

use crate::common::tunnel::NAME;
use crate::common::{End, Knobs, TestService, Tunnel};
use crate::serverless::{self, Program, Stack};
use http_tunnel::secret::Secret;
use http_tunnel::wire::Encoding;
use std::path::Path;
use std::sync::Arc;

/// The shared secret of these stacks.
pub const TOKEN: &str = "a-token-of-the-tests";

/// The domain of those that have one.
pub const DOMAIN: &str = "tunnel.example.com";

/// Through which door visitors come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The HTTP API behind a wildcard domain: tunnels by host, answers whole.
    HttpApi,
    /// The Function URL: tunnels by path, answers as they come.
    FunctionUrl,
}

/// A stack as `Pulumi.yaml` and `Pulumi.dev.yaml` describe it, with `settings` before the stack's own.
pub async fn stack(settings: &[(&str, &str)], knobs: serverless::Knobs) -> Arc<Stack> {
    let url = format!("https://{{tunnel}}.{DOMAIN}");
    let mut all = vec![("token", TOKEN), ("publicUrl", url.as_str())];
    all.extend_from_slice(settings);
    // More than these tests need at once (a visit waits in one process for messages in others), few enough for a small machine.
    let knobs = serverless::Knobs { processes: knobs.processes.or(Some(32)), ..knobs };
    let program = Program::read(Path::new(env!("CARGO_MANIFEST_DIR")), "dev", &all);
    let program = program.expect("the program can be read");
    Arc::new(Stack::start(program, Path::new(env!("CARGO_BIN_EXE_handler")), knobs).await)
}

/// A stack with nothing changed.
pub async fn plain_stack() -> Arc<Stack> {
    stack(&[], serverless::Knobs::default()).await
}

/// What a tunnel through `stack` needs to know.
pub fn end(stack: &Arc<Stack>, door: Door) -> End {
    let addresses = stack.addresses();
    let (address, host, prefix) = match door {
        Door::HttpApi => (addresses.http, format!("{NAME}.{DOMAIN}"), String::new()),
        Door::FunctionUrl => (addresses.stream, addresses.stream.to_string(), format!("/{NAME}")),
    };
    let endpoint = stack.endpoint().parse().expect("an endpoint is a URL");
    End { endpoint, token: Some(Secret::new(TOKEN)), address, host, prefix, alive: Box::new(stack.clone()) }
}

/// A tunnel to `service` through `door` of `stack`.
pub async fn tunnel(stack: &Arc<Stack>, door: Door, service: &TestService) -> Tunnel {
    tunnel_with(Knobs::default(), stack, door, service).await
}

/// The same, with choices.
pub async fn tunnel_with(knobs: Knobs, stack: &Arc<Stack>, door: Door, service: &TestService) -> Tunnel {
    Tunnel::with(Knobs { encoding: Encoding::Text, end: Some(end(stack, door)), ..knobs }, service).await
}
