//! DynamoDB: a real engine (DynamoDB Local), behind a proxy that counts, throttles and delays.

mod local;
mod proxy;
mod units;

use super::knobs::Panel;
use super::listen::Server;
use super::meter::Meter;
use super::policy::Policy;
use super::program::{Program, REGION, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

pub struct Dynamo {
    engine: Engine,
    proxy: Server,
    /// Logical name to physical name.
    tables: BTreeMap<String, String>,
}

/// The engine as this stack calls it.
#[derive(Clone)]
pub struct Engine {
    address: SocketAddr,
    region: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Dynamo {
    /// Creates the program's tables, or takes those that stand at `deployed`, and serves them.
    pub async fn start(
        program: &Program,
        deployed: Option<(SocketAddr, String)>,
        panel: Panel,
        meter: Meter,
    ) -> Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let is_deployed = deployed.is_some();
        let (address, region) = match deployed {
            Some(place) => place,
            None => (local::shared().await?, REGION.to_owned()),
        };
        let engine = Engine { address, region, client };
        let mut tables = BTreeMap::new();
        for name in program.of_type("aws:dynamodb:Table") {
            let physical = program.id(&name);
            if !is_deployed {
                let created = create(&engine, &physical, &program.properties(&name)?).await;
                created.map_err(|error| format!("{name}: {error}"))?;
            }
            tables.insert(name, physical);
        }
        let proxy = proxy::start(engine.clone(), panel, meter, Policy::read(program)?).await;
        Ok(Self { engine, proxy, tables })
    }

    /// Where the function finds DynamoDB.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.proxy.address)
    }

    pub fn drop_connections(&self) {
        self.proxy.drop_connections();
    }

    fn physical(&self, table: &str) -> &str {
        self.tables.get(table).unwrap_or_else(|| panic!("the program declares no table {table}"))
    }

    /// All items of a table, by its name in the program; attributes in DynamoDB's typed form.
    pub async fn scan(&self, table: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut request = json!({"TableName": self.physical(table), "ConsistentRead": true});
        loop {
            let page = self.engine.ask("Scan", &request).await.expect("a scan works");
            items.extend(page["Items"].as_array().into_iter().flatten().cloned());
            if page["LastEvaluatedKey"].is_null() {
                return items;
            }
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
        }
    }

    /// The item with this key, in DynamoDB's typed form.
    pub async fn get(&self, table: &str, key: Value) -> Option<Value> {
        let request = json!({"TableName": self.physical(table), "Key": key, "ConsistentRead": true});
        let mut answer = self.engine.ask("GetItem", &request).await.expect("the key has the table's form");
        Some(answer["Item"].take()).filter(|item| !item.is_null())
    }

    pub async fn put(&self, table: &str, item: Value) {
        let request = json!({"TableName": self.physical(table), "Item": item});
        self.engine.ask("PutItem", &request).await.expect("the item has the table's form");
    }

    pub async fn delete(&self, table: &str, key: Value) {
        let request = json!({"TableName": self.physical(table), "Key": key});
        self.engine.ask("DeleteItem", &request).await.expect("the key has the table's form");
    }

    /// Any operation, past the proxy: neither counted nor throttled.
    pub async fn ask(&self, operation: &str, request: &Value) -> Result<Value> {
        self.engine.ask(operation, request).await
    }
}

impl Engine {
    pub async fn ask(&self, operation: &str, request: &Value) -> Result<Value> {
        let answer = self.call(operation, Bytes::from(request.to_string())).await?;
        let value: Value = serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
        if answer.status() == 200 { Ok(value) } else { Err(format!("{operation}: {value}")) }
    }

    pub async fn call(&self, operation: &str, body: Bytes) -> Result<Response<Bytes>> {
        let request = Request::post(format!("http://{}/", self.address))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            // DynamoDB Local wants a key and a region, and checks no signature.
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential=test/20260101/{}/dynamodb/aws4_request, SignedHeaders=host, Signature=0", self.region))
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| format!("DynamoDB Local: {error}"))?;
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.map_err(|error| format!("DynamoDB Local: {error}"))?.to_bytes();
        Ok(Response::from_parts(parts, bytes))
    }
}

/// Creates a table from its declaration in the program.
async fn create(engine: &Engine, name: &str, declared: &Value) -> Result<()> {
    if declared["billingMode"] != "PAY_PER_REQUEST" {
        return Err("the stand-in counts on-demand tables only".to_owned());
    }
    let keys = |of: &Value| -> Value {
        let kinds = [("hashKey", "HASH"), ("rangeKey", "RANGE")];
        let set = kinds.iter().filter(|(field, _)| of[*field].is_string());
        set.map(|(field, kind)| json!({"AttributeName": of[*field], "KeyType": kind})).collect()
    };
    let attributes = declared["attributes"].as_array().into_iter().flatten();
    let indexes = declared["globalSecondaryIndexes"].as_array().into_iter().flatten();
    let mut request = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys(declared),
        "AttributeDefinitions": attributes
            .map(|it| json!({"AttributeName": it["name"], "AttributeType": it["type"]})).collect::<Value>(),
    });
    let indexes: Vec<Value> = indexes
        .map(|index| {
            let mut projection = json!({"ProjectionType": index["projectionType"]});
            if !index["nonKeyAttributes"].is_null() {
                projection["NonKeyAttributes"] = index["nonKeyAttributes"].clone();
            }
            json!({"IndexName": index["name"], "KeySchema": keys(index), "Projection": projection})
        })
        .collect();
    if !indexes.is_empty() {
        request["GlobalSecondaryIndexes"] = json!(indexes);
    }
    engine.ask("CreateTable", &request).await?;
    let ttl = &declared["ttl"];
    if ttl["enabled"] == true {
        let specification = json!({"AttributeName": ttl["attributeName"], "Enabled": true});
        engine.ask("UpdateTimeToLive", &json!({"TableName": name, "TimeToLiveSpecification": specification})).await?;
    }
    Ok(())
}
