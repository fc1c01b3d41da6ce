//! The public end as a Lambda function (`bootstrap` on the runtime `provided.al2023`). It is told everything by its
//! environment; `Pulumi.yaml` sets it.

use anyhow::Context as _;
use http_tunnel::handler::Handler;
use http_tunnel::handler::config::Config;
use lambda_runtime::{LambdaEvent, service_fn};
use std::process::ExitCode;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("handler: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<()> {
    let mut config = Config::read(&|name| std::env::var(name).ok())?;
    http_tunnel::handler::start_log(config.log.take());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let handler = Handler::start(config).await;
        let serve = |event: LambdaEvent<serde_json::Value>| handler.serve(event);
        lambda_runtime::run(service_fn(serve)).await.map_err(|error| anyhow::anyhow!("{error}"))
    })
}
