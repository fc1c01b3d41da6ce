//! A running stack: the program's tables, function and doors, with what a test turns, reads and counts.

use super::dynamo::Dynamo;
use super::gateway::{Addresses, Doors, Gateway, Serving};
use super::knobs::{Knobs, Panel};
use super::lambda::{self, Function};
use super::meter::Meter;
use super::program::{Program, REGION, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a deployment made and is to be used.
pub struct Deployed {
    /// Where its tables are.
    pub dynamodb: SocketAddr,
    pub region: String,
    /// What the function is given, instead of what the program says.
    pub environment: BTreeMap<String, String>,
}

pub struct Stack {
    pub panel: Panel,
    pub meter: Meter,
    pub function: Arc<Function>,
    pub tables: Dynamo,
    /// What the function is given, for assertions.
    pub environment: BTreeMap<String, String>,
    addresses: Addresses,
    stage: String,
    serving: Serving,
}

/// Work that waits for something holds what it works on; it is ended here and not left to its references.
impl Drop for Stack {
    fn drop(&mut self) {
        self.serving.gateway.stop();
        self.function.stop();
    }
}

impl Stack {
    /// Starts everything; a program that cannot be wired is a panic that says why.
    pub async fn start(program: Program, handler: &Path, knobs: Knobs) -> Self {
        Self::try_start(program, handler, knobs)
            .await
            .unwrap_or_else(|error| panic!("the stack does not start: {error}"))
    }

    pub async fn try_start(program: Program, handler: &Path, knobs: Knobs) -> Result<Self> {
        Self::try_start_on(program, None, handler, knobs).await
    }

    /// Starts everything around tables and an environment that were deployed elsewhere.
    pub async fn start_on(program: Program, deployed: Deployed, handler: &Path, knobs: Knobs) -> Self {
        let started = Self::try_start_on(program, Some(deployed), handler, knobs).await;
        started.unwrap_or_else(|error| panic!("the stack does not start: {error}"))
    }

    async fn try_start_on(
        mut program: Program,
        deployed_as: Option<Deployed>,
        handler: &Path,
        knobs: Knobs,
    ) -> Result<Self> {
        let (panel, meter) = (Panel::new(knobs), Meter::default());
        let tables = Dynamo::start(
            &program,
            deployed_as.as_ref().map(|it| (it.dynamodb, it.region.clone())),
            panel.clone(),
            meter.clone(),
        )
        .await?;
        let doors = Doors::open().await;
        let addresses = doors.addresses();
        // An operator reads the Function URL off the first deployment and sets it for the next one.
        let url = program.function_url_host(&program.only("aws:lambda:FunctionUrl")?);
        program.fill("streamUrl", &format!("https://{url}/{{tunnel}}"));
        let mut function = deployed(&program, handler, &tables, &addresses)?;
        for (name, value) in deployed_as.into_iter().flat_map(|it| it.environment) {
            function.environment.insert(name, value);
        }
        let environment = function.environment.clone();
        let function = Function::new(function, panel.clone(), meter.clone());
        let serving = doors.serve(&program, Arc::clone(&function), panel.clone(), meter.clone())?;
        let stage = serving.gateway.stage().to_owned();
        Ok(Self { panel, meter, function, tables, environment, addresses, stage, serving })
    }

    /// Where a forwarder links.
    pub fn endpoint(&self) -> String {
        format!("ws://{}/{}", self.addresses.websocket, self.stage)
    }

    /// The HTTP API, which takes any host.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.addresses.http)
    }

    /// The Function URL, which takes only its own host.
    pub fn stream_url(&self) -> String {
        format!("http://{}", self.addresses.stream)
    }

    pub fn rest_url(&self) -> String {
        format!("http://{}/{}", self.addresses.rest, self.stage)
    }

    pub fn callback_url(&self) -> String {
        format!("http://{}/{}", self.addresses.management, self.stage)
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Links, and what can be done to them.
    pub fn gateway(&self) -> &Gateway {
        &self.serving.gateway
    }

    /// Ends the connections that the function's processes hold to DynamoDB and to the management API: what a process
    /// that was frozen for long finds when it wakes.
    pub fn drop_connections(&self) {
        self.tables.drop_connections();
        self.serving.management.drop_connections();
    }

    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        self.panel.turn(change);
    }

    /// What all processes of the function printed.
    pub fn log(&self) -> Vec<String> {
        self.function.log.lines()
    }
}

/// The function as the program declares it.
fn deployed(program: &Program, handler: &Path, tables: &Dynamo, addresses: &Addresses) -> Result<lambda::Program> {
    let name = program.only("aws:lambda:Function")?;
    let declared = program.properties(&name)?;
    let timeout = declared["timeout"].as_u64().unwrap_or(3);
    if timeout > 900 {
        return Err(format!("{name}: a timeout of {timeout} s is over the platform's 900"));
    }
    let mut environment = platform_environment(program, &name, &declared, tables);
    for (key, value) in declared["environment"]["variables"].as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(format!("{name}: the variable {key} is no text: {value}")),
        };
        environment.insert(key.clone(), localized(program, &text, addresses)?);
    }
    let reserved = declared["reservedConcurrentExecutions"].as_i64().unwrap_or(-1);
    Ok(lambda::Program {
        path: handler.to_owned(),
        arn: program.function_arn(&name),
        timeout: Duration::from_secs(timeout),
        concurrency: usize::try_from(reserved).ok(),
        environment,
    })
}

/// What Lambda itself sets.
fn platform_environment(program: &Program, name: &str, declared: &Value, tables: &Dynamo) -> BTreeMap<String, String> {
    let id = program.id(name);
    let memory = declared["memorySize"].as_u64().unwrap_or(128).to_string();
    let endpoint = tables.endpoint();
    let group = format!("/aws/lambda/{id}");
    [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_SESSION_TOKEN", "standin"),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
        ("AWS_LAMBDA_FUNCTION_NAME", &id),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]standin"),
        ("_HANDLER", "bootstrap"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Addresses on the platform become the stand-in's own.
fn localized(program: &Program, text: &str, addresses: &Addresses) -> Result<String> {
    let websocket = program.api_host(&super::gateway::api(program, "WEBSOCKET")?);
    let http = program.api_host(&super::gateway::api(program, "HTTP")?);
    let url = program.function_url_host(&program.only("aws:lambda:FunctionUrl")?);
    let mut text = text.to_owned();
    for (from, to) in [
        (format!("https://{websocket}"), format!("http://{}", addresses.management)),
        (format!("wss://{websocket}"), format!("ws://{}", addresses.websocket)),
        (format!("https://{http}"), format!("http://{}", addresses.http)),
        (format!("https://{url}"), format!("http://{}", addresses.stream)),
    ] {
        text = text.replace(&from, &to);
    }
    if text.contains(".amazonaws.com") || text.contains(".on.aws") {
        return Err(format!("{text}: an address that the stand-in does not serve"));
    }
    Ok(text)
}
