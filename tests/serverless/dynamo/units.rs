//! Request units of a call: what the engine reports, and for what it does not report, the rule that the platform bills by.

use serde_json::Value;

const READS: [&str; 5] = ["GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"];
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

/// Operations that can report what they consumed.
pub fn reports(operation: &str) -> bool {
    READS.contains(&operation) || WRITES.contains(&operation)
}

/// Read and write units.
pub fn consumed(operation: &str, asked: &Value, answered: &Value) -> (f64, f64) {
    if !reports(operation) {
        return (0.0, 0.0);
    }
    let units = match reported(&answered["ConsumedCapacity"]) {
        // DynamoDB Local takes nothing for a query that finds nothing, the platform a unit as for any read.
        Some(0.0) if READS.contains(&operation) => {
            if asked["ConsistentRead"] == true {
                1.0
            } else {
                0.5
            }
        }
        Some(units) => units,
        None => refused(asked, answered),
    };
    if READS.contains(&operation) { (units, 0.0) } else { (0.0, units) }
}

/// One table's report, or a list of them.
fn reported(capacity: &Value) -> Option<f64> {
    match capacity {
        Value::Array(tables) => Some(tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum()),
        table => table["CapacityUnits"].as_f64(),
    }
}

/// A write whose condition failed costs as if it had been done: by the larger of the item that was to be written and,
/// where the answer shows it, the one that is there. Other refusals cost nothing.
fn refused(asked: &Value, answered: &Value) -> f64 {
    let kind = answered["__type"].as_str().unwrap_or_default();
    if !kind.ends_with("ConditionalCheckFailedException") {
        return 0.0;
    }
    let size = item_size(&asked["Item"]).max(item_size(&answered["Item"]));
    (size as f64 / 1024.0).ceil().max(1.0)
}

/// Names and values as the platform counts them.
pub fn item_size(item: &Value) -> usize {
    item.as_object().into_iter().flatten().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else { return 0 };
    let text = value.as_str().map_or(0, str::len);
    match kind.as_str() {
        "S" => text,
        // Three bytes for four characters of base64.
        "B" => {
            text / 4 * 3 - value.as_str().map_or(0, |text| text.bytes().rev().take_while(|byte| *byte == b'=').count())
        }
        "N" => text.div_ceil(2) + 1,
        "M" => {
            3 + value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, inner)| name.len() + value_size(inner) + 1)
                .sum::<usize>()
        }
        "L" => 3 + value.as_array().into_iter().flatten().map(|inner| value_size(inner) + 1).sum::<usize>(),
        "SS" | "NS" | "BS" => value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::len).sum(),
        _ => 1,
    }
}
