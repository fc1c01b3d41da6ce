//! A stack's configuration: what the program declares, with the values of the stack file and of the test.

use super::{Result, value};
use serde_json::{Map, Value, json};

/// Declared keys with their values, typed as declared.
pub fn config(project: &str, declared: &Value, file: &Value, settings: &[(&str, &str)]) -> Result<Map<String, Value>> {
    let mut config = Map::new();
    for (key, declaration) in declared.as_object().into_iter().flatten() {
        let full = if key.contains(':') { key.clone() } else { format!("{project}:{key}") };
        let given = settings.iter().find(|(name, _)| name == key).map(|(_, value)| json!(value));
        let fixed = ["value", "default"].iter().find_map(|field| declaration.get(*field));
        let found = match (given, file.get(&full).or_else(|| file.get(key))) {
            (Some(given), _) => given,
            (None, Some(from_file)) => readable(from_file).map_err(|error| format!("{full}: {error}"))?,
            (None, None) => fixed.cloned().ok_or_else(|| format!("missing configuration value {full}"))?,
        };
        // Keys of other namespaces declare no type.
        let kind = declaration["type"].as_str().unwrap_or("any");
        config.insert(key.clone(), typed(&found, kind).ok_or_else(|| format!("{full}: {found} is no {kind}"))?);
    }
    for (key, _) in settings {
        if !config.contains_key(*key) {
            return Err(format!("the program declares no configuration key {key}"));
        }
    }
    for key in file.as_object().into_iter().flatten().map(|(key, _)| key) {
        let own = key.strip_prefix(project).and_then(|rest| rest.strip_prefix(':'));
        if own.is_some_and(|own| !config.contains_key(own)) {
            return Err(format!("the stack file sets {key}, which the program does not declare"));
        }
    }
    Ok(config)
}

fn readable(value: &Value) -> Result<Value> {
    if value.get("secure").is_some() {
        return Err("is encrypted, a test has to give it".to_owned());
    }
    Ok(value.clone())
}

/// Stack files often say `"512"` where the program declares an integer.
fn typed(found: &Value, kind: &str) -> Option<Value> {
    match kind {
        "integer" | "int" => match found {
            Value::String(text) => text.parse::<i64>().ok().map(|number| json!(number)),
            number => number.as_i64().map(|number| json!(number)),
        },
        "boolean" | "bool" => match found {
            Value::String(text) => text.parse::<bool>().ok().map(|flag| json!(flag)),
            flag => flag.as_bool().map(|flag| json!(flag)),
        },
        "string" => value::as_text(found).map(Value::String),
        _ => Some(found.clone()),
    }
}

/// `aws:lambda/function:Function` is `aws:lambda:Function`.
pub fn short_type(kind: &Value) -> String {
    let parts: Vec<&str> = kind.as_str().unwrap_or_default().split(':').collect();
    match parts.as_slice() {
        [package, module, name] => format!("{package}:{}:{name}", module.split('/').next().unwrap_or_default()),
        _ => parts.join(":"),
    }
}

pub fn same_type(kind: &Value, wanted: &str) -> bool {
    short_type(kind) == wanted
}
