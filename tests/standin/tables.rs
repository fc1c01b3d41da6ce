//! DynamoDB behind the proxy: tables of the program, units, throttling, delay.

use crate::serverless::Stack;
use crate::stage::{send, stack, within};
use crate::visitor::{Answer, Visit};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";

async fn call(stack: &Stack, operation: &str, request: Value) -> Answer {
    let address = stack.tables.endpoint()["http://".len()..].parse().expect("an address");
    let target = format!("DynamoDB_20120810.{operation}");
    let fields =
        [("X-Amz-Target", &*target), ("Authorization", SIGNED), ("Content-Type", "application/x-amz-json-1.0")];
    send(address, "POST", "/", &fields, request.to_string().as_bytes()).await
}

fn table(stack: &Stack, name: &str) -> String {
    stack.environment[name].clone()
}

fn part(stack: &Stack, n: u32, size: usize) -> Value {
    let item = json!({"exchange": {"S": "e"}, "part": {"N": n.to_string()}, "body": {"S": "x".repeat(size)}});
    json!({"TableName": table(stack, "TUNNEL_PENDING_TABLE"), "Item": item})
}

fn key(stack: &Stack, n: u32, consistent: bool) -> Value {
    let key = json!({"exchange": {"S": "e"}, "part": {"N": n.to_string()}});
    json!({"TableName": table(stack, "TUNNEL_PENDING_TABLE"), "Key": key, "ConsistentRead": consistent})
}

#[tokio::test]
async fn the_tables_are_those_of_the_program() {
    let stack = stack(|_| {}).await;
    let name = table(&stack, "TUNNEL_CONNECTIONS_TABLE");
    let described = stack.tables.ask("DescribeTable", &json!({"TableName": name})).await.expect("it is there");
    assert_eq!(described["Table"]["KeySchema"], json!([{"AttributeName": "name", "KeyType": "HASH"}]));
    let index = &described["Table"]["GlobalSecondaryIndexes"][0];
    assert_eq!(
        (&index["IndexName"], &index["Projection"]["ProjectionType"]),
        (&json!("by-connection"), &json!("KEYS_ONLY"))
    );
    let ttl = stack.tables.ask("DescribeTimeToLive", &json!({"TableName": name})).await.expect("it is there");
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "expiresAt");
    stack.tables.put("connections", json!({"name": {"S": "web"}, "connectionId": {"S": "c="}})).await;
    let found = stack.tables.get("connections", json!({"name": {"S": "web"}})).await.expect("it was put");
    assert_eq!(found["connectionId"], json!({"S": "c="}));
    assert_eq!(stack.tables.scan("connections").await, [found]);
    assert!(stack.meter.read().dynamo.is_empty(), "a test's own calls are not counted");
}

#[tokio::test]
async fn calls_and_units_are_counted_as_the_platform_bills() {
    let stack = stack(|_| {}).await;
    let cases = [
        ("PutItem", part(&stack, 1, 100), 0.0, 1.0),
        ("PutItem", part(&stack, 2, 9 * 1024), 0.0, 10.0),
        ("GetItem", key(&stack, 1, true), 1.0, 0.0),
        ("GetItem", key(&stack, 1, false), 0.5, 0.0),
        ("GetItem", key(&stack, 2, true), 3.0, 0.0),
        ("GetItem", key(&stack, 9, true), 1.0, 0.0),
    ];
    for (operation, request, reads, writes) in cases {
        let before = stack.meter.read();
        let answer = call(&stack, operation, request).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
        assert!(!answer.text().contains("ConsumedCapacity"), "nobody asked for it");
        let spent = stack.meter.read().since(&before);
        assert_eq!((spent.read_units(), spent.write_units()), (reads, writes), "{operation}");
        assert_eq!(spent.operation(operation).calls, 1);
    }
}

#[tokio::test]
async fn an_update_costs_the_larger_size_and_a_query_the_sum_of_its_items() {
    let stack = stack(|_| {}).await;
    let pending = table(&stack, "TUNNEL_PENDING_TABLE");
    for n in [1, 2] {
        assert_eq!(call(&stack, "PutItem", part(&stack, n, 9 * 1024)).await.status, 200);
    }
    let connections = table(&stack, "TUNNEL_CONNECTIONS_TABLE");
    stack.tables.put("connections", json!({"name": {"S": "web"}, "body": {"S": "x".repeat(9 * 1024)}})).await;
    stack.tables.put("connections", json!({"name": {"S": "api"}, "body": {"S": "x".repeat(9 * 1024)}})).await;
    let key = |name: &str| json!({"TableName": connections, "Key": {"name": {"S": name}}});
    let mut shrink = key("web");
    shrink["UpdateExpression"] = json!("REMOVE body");
    let query = |consistent: bool| {
        json!({
            "TableName": pending, "KeyConditionExpression": "exchange = :e AND part > :p", "ConsistentRead": consistent,
            "ExpressionAttributeValues": {":e": {"S": "e"}, ":p": {"N": "0"}},
        })
    };
    let mut nothing = query(true);
    nothing["ExpressionAttributeValues"][":p"]["N"] = json!("9");
    let index = json!({
        "TableName": connections, "IndexName": "by-connection",
        "KeyConditionExpression": "connectionId = :c", "ExpressionAttributeValues": {":c": {"S": "c="}},
    });
    let cases = [
        ("Query", query(true), 5.0, 0.0),
        ("Query", query(false), 2.5, 0.0),
        ("Query", index, 0.5, 0.0),
        ("Query", nothing, 1.0, 0.0),
        ("UpdateItem", shrink, 0.0, 10.0),
        ("DeleteItem", key("api"), 0.0, 10.0),
        ("DeleteItem", key("web"), 0.0, 1.0),
    ];
    for (operation, request, reads, writes) in cases {
        let before = stack.meter.read();
        let answer = call(&stack, operation, request).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
        let spent = stack.meter.read().since(&before);
        assert_eq!((spent.read_units(), spent.write_units()), (reads, writes), "{operation} {}", answer.text());
    }
}

#[tokio::test]
async fn a_write_to_an_index_costs_another_unit_and_a_failed_condition_costs_too() {
    let stack = stack(|_| {}).await;
    let mut request = json!({
        "TableName": table(&stack, "TUNNEL_CONNECTIONS_TABLE"),
        "Item": {"name": {"S": "web"}, "connectionId": {"S": "c="}},
        "ConditionExpression": "attribute_not_exists(connectionId)", "ReturnConsumedCapacity": "TOTAL",
    });
    let answer = call(&stack, "PutItem", request.clone()).await;
    assert_eq!((answer.status, answer.text().contains("ConsumedCapacity")), (200, true));
    assert_eq!(stack.meter.read().write_units(), 2.0);
    request["Item"]["more"] = json!({"S": "x".repeat(3000)});
    let refused = call(&stack, "PutItem", request).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("ConditionalCheckFailedException"), "{}", refused.text());
    assert_eq!(stack.meter.read().write_units(), 5.0);
}

#[tokio::test]
async fn a_share_of_the_calls_can_be_throttled() {
    let stack = stack(|knobs| knobs.dynamo_throttle_percent = 20).await;
    let mut refused = 0;
    for n in 0..100 {
        let answer = call(&stack, "PutItem", part(&stack, n, 10)).await;
        refused += usize::from(answer.status == 400 && answer.text().contains("xception"));
    }
    let counts = stack.meter.read().operation("PutItem");
    assert_eq!((refused, counts.calls, counts.throttled, counts.write_units), (20, 100, 20, 80.0));
}

#[tokio::test]
async fn a_call_takes_the_time_that_a_test_gives_it() {
    let stack = stack(|knobs| knobs.latency.dynamo = Duration::from_millis(100)).await;
    let started = Instant::now();
    assert_eq!(call(&stack, "GetItem", key(&stack, 1, true)).await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn what_the_role_does_not_allow_is_refused() {
    let stack = stack(|_| {}).await;
    let table = table(&stack, "TUNNEL_PENDING_TABLE");
    let refused = [
        ("Scan", json!({"TableName": table})),
        ("DescribeTable", json!({"TableName": table})),
        ("ListTables", json!({})),
        ("PutItem", json!({"TableName": "somebody-else-s", "Item": {}})),
    ];
    for (operation, request) in refused {
        let answer = call(&stack, operation, request).await;
        assert!(
            answer.status == 400 && answer.text().contains("AccessDeniedException"),
            "{operation}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn connections_can_be_dropped() {
    let stack = stack(|_| {}).await;
    let address = stack.tables.endpoint()["http://".len()..].parse().expect("an address");
    let request = format!("POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    let mut kept = Visit::begin(address, request.as_bytes()).await;
    let head = within("an answer", kept.head()).await;
    assert_eq!(within("its body", kept.rest(head)).await.status, 400, "it is not signed");
    stack.drop_connections();
    assert_eq!(within("the end", kept.head()).await.status, 0);
    assert_eq!(call(&stack, "GetItem", key(&stack, 1, true)).await.status, 200);
}

#[tokio::test]
async fn two_stacks_do_not_share_tables() {
    let (one, other) = (stack(|_| {}).await, stack(|_| {}).await);
    one.tables.put("connections", json!({"name": {"S": "web"}})).await;
    assert!(other.tables.scan("connections").await.is_empty());
}

#[tokio::test]
async fn an_item_over_400_kb_is_refused() {
    let stack = stack(|_| {}).await;
    assert_eq!(call(&stack, "PutItem", part(&stack, 1, 399 * 1024)).await.status, 200);
    let refused = call(&stack, "PutItem", part(&stack, 1, 400 * 1024)).await;
    assert!(refused.status == 400 && refused.text().contains("size"), "{}", refused.text());
}
