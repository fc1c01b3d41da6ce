//! Between the function and the engine: every call is counted with the units that it costs, some are refused, all wait.

use super::{Engine, units};
use crate::serverless::knobs::{Panel, Share};
use crate::serverless::lambda::runtime_api::header;
use crate::serverless::listen::{self, Body, Server, full};
use crate::serverless::meter::Meter;
use crate::serverless::policy::Policy;
use crate::serverless::program::table_arn;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::sync::Arc;

struct Proxy {
    engine: Engine,
    panel: Panel,
    meter: Meter,
    policy: Policy,
    throttling: Share,
}

pub async fn start(engine: Engine, panel: Panel, meter: Meter, policy: Policy) -> Server {
    let proxy = Arc::new(Proxy { engine, panel, meter, policy, throttling: Share::default() });
    Server::start(move |request, _| answer(Arc::clone(&proxy), request)).await
}

async fn answer(proxy: Arc<Proxy>, request: Request<Incoming>) -> Response<Body> {
    let target = header(request.headers(), "x-amz-target").unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    if header(request.headers(), "authorization").is_none_or(|it| !it.contains("/dynamodb/aws4_request")) {
        return refuse("MissingAuthenticationTokenException", "the call is not signed for dynamodb");
    }
    let Ok(body) = request.into_body().collect().await else {
        return refuse("SerializationException", "the call was cut");
    };
    let Ok(mut asked) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        return refuse("SerializationException", "the call is no JSON");
    };
    let action = format!("dynamodb:{operation}");
    if let Some(resource) = resources(&asked).iter().find(|resource| !proxy.policy.allows(&action, resource)) {
        return refuse("AccessDeniedException", &format!("the role may not {action} on {resource}"));
    }
    let knobs = proxy.panel.read();
    tokio::time::sleep(knobs.latency.dynamo).await;
    let throttled = proxy.throttling.picks(knobs.dynamo_throttle_percent);
    proxy.meter.count(|tally| {
        let counts = tally.dynamo.entry(operation.clone()).or_default();
        counts.calls += 1;
        counts.throttled += u64::from(throttled);
    });
    if throttled {
        // Two names for it exist, and clients must know both.
        let kind = if asked.to_string().len().is_multiple_of(2) {
            "ThrottlingException"
        } else {
            "ProvisionedThroughputExceededException"
        };
        return refuse(kind, "the stand-in throttles this call");
    }
    let own_question = units::reports(&operation) && asked.get("ReturnConsumedCapacity").is_none();
    if own_question {
        asked["ReturnConsumedCapacity"] = json!("TOTAL");
    }
    match proxy.engine.call(&operation, asked.to_string().into()).await {
        Ok(answered) => proxy.hand_on(&operation, &asked, answered, own_question),
        Err(error) => refuse("InternalServerError", &error),
    }
}

impl Proxy {
    /// Counts the units, and hides the report from whoever did not ask for it.
    fn hand_on(&self, operation: &str, asked: &Value, answered: Response<bytes::Bytes>, hide: bool) -> Response<Body> {
        let (parts, bytes) = answered.into_parts();
        let mut value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let (read, write) = units::consumed(operation, asked, &value);
        self.meter.count(|tally| {
            let counts = tally.dynamo.entry(operation.to_owned()).or_default();
            counts.read_units += read;
            counts.write_units += write;
        });
        if hide && let Value::Object(fields) = &mut value {
            fields.remove("ConsumedCapacity");
        }
        let mut response = listen::json(parts.status.as_u16(), &value);
        for (name, field) in parts.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-amzn-")) {
            response.headers_mut().insert(name, field.clone());
        }
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/x-amz-json-1.0"));
        response
    }
}

/// What a call touches, as policies name it.
fn resources(asked: &Value) -> Vec<String> {
    let batch = asked["RequestItems"].as_object().into_iter().flatten().map(|(table, _)| table_arn(table));
    let own = match (asked["TableName"].as_str(), asked["IndexName"].as_str()) {
        (Some(table), Some(index)) => Some(format!("{}/index/{index}", table_arn(table))),
        (Some(table), None) => Some(table_arn(table)),
        (None, _) => None,
    };
    let all: Vec<String> = batch.chain(own).collect();
    if all.is_empty() { vec!["*".to_owned()] } else { all }
}

fn refuse(kind: &str, text: &str) -> Response<Body> {
    let status = if kind == "InternalServerError" { 500 } else { 400 };
    let value = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": text});
    let mut response = Response::new(full(value.to_string()));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("it is a status");
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}
