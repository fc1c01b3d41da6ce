//! Expressions of Pulumi YAML: `${…}` inside text, paths through values, and the functions `fn::…`.

use super::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

type LookUp<'a> = &'a dyn Fn(&str) -> Result<Value>;

pub fn resolve(value: &Value, look_up: LookUp<'_>) -> Result<Value> {
    match value {
        Value::String(text) => interpolate(text, look_up),
        Value::Array(items) => items.iter().map(|item| resolve(item, look_up)).collect::<Result<_>>().map(Value::Array),
        Value::Object(fields) => {
            if let Some((name, argument)) = fields.iter().find(|(name, _)| name.starts_with("fn::")) {
                return call(name, resolve(argument, look_up)?).map_err(|error| format!("{name}: {error}"));
            }
            let resolved = fields.iter().map(|(name, field)| Ok((name.clone(), resolve(field, look_up)?)));
            resolved.collect::<Result<_>>().map(Value::Object)
        }
        plain => Ok(plain.clone()),
    }
}

/// A value that is only one `${…}` keeps its type; `$${` is a literal `${`.
fn interpolate(text: &str, look_up: LookUp<'_>) -> Result<Value> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out += &rest[..at - 1];
            out += "${";
            rest = &rest[at + 2..];
            continue;
        }
        let end = rest[at..].find('}').ok_or_else(|| format!("{text}: ${{ is not closed"))? + at;
        let found = look_up(rest[at + 2..end].trim())?;
        if at == 0 && end + 1 == text.len() {
            return Ok(found);
        }
        out += &rest[..at];
        out += &as_text(&found).ok_or_else(|| format!("{text}: {found} is no text"))?;
        rest = &rest[end + 1..];
    }
    Ok(Value::String(out + rest))
}

pub fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn call(name: &str, argument: Value) -> Result<Value> {
    let texts = |value: &Value| -> Result<Vec<String>> {
        let items = value.as_array().ok_or_else(|| format!("{value} is no list"))?;
        items.iter().map(|item| as_text(item).ok_or_else(|| format!("{item} is no text"))).collect()
    };
    match name {
        "fn::toJSON" => Ok(Value::String(argument.to_string())),
        "fn::join" => {
            let separator = as_text(&argument[0]).ok_or("the separator is no text")?;
            Ok(Value::String(texts(&argument[1])?.join(&separator)))
        }
        "fn::split" => {
            let words = texts(&argument)?;
            let [separator, text] = words.as_slice() else { return Err("two texts are needed".to_owned()) };
            Ok(text.split(separator.as_str()).map(|part| Value::String(part.to_owned())).collect())
        }
        "fn::select" => {
            let at = argument[0].as_u64().ok_or("the index is no number")? as usize;
            argument[1].get(at).cloned().ok_or_else(|| format!("there is no item {at}"))
        }
        "fn::toBase64" => {
            as_text(&argument).map(|text| Value::String(STANDARD.encode(text))).ok_or("no text".to_owned())
        }
        "fn::fromBase64" => {
            let bytes = STANDARD.decode(as_text(&argument).unwrap_or_default()).map_err(|error| error.to_string())?;
            String::from_utf8(bytes).map(Value::String).map_err(|error| error.to_string())
        }
        // A secret is its value, and an archive or asset the name of its file.
        "fn::secret" | "fn::unsecret" | "fn::fileArchive" | "fn::fileAsset" | "fn::stringAsset" => Ok(argument),
        _ => Err("not known to the stand-in".to_owned()),
    }
}

/// Calls `visit` with each reference in `value`.
pub fn references(value: &Value, visit: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    match value {
        Value::String(text) => {
            let mut rest = text.as_str();
            while let Some(at) = rest.find("${") {
                let end = rest[at..].find('}').ok_or_else(|| format!("{text}: ${{ is not closed"))? + at;
                if !rest[..at].ends_with('$') {
                    visit(rest[at + 2..end].trim())?;
                }
                rest = &rest[end + 1..];
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| references(item, visit)),
        Value::Object(fields) => fields.values().try_for_each(|field| references(field, visit)),
        _ => Ok(()),
    }
}

/// `a.b[0]["c"]` as its steps.
pub fn steps(reference: &str) -> Result<Vec<String>> {
    let malformed = || format!("${{{reference}}} is malformed");
    let mut found = Vec::new();
    let mut rest = reference;
    while !rest.is_empty() {
        let step;
        if let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']').ok_or_else(malformed)?;
            step = index.trim_matches(['"', '\'']);
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            (step, rest) = rest.split_at(end);
        }
        if step.is_empty() {
            return Err(malformed());
        }
        found.push(step.to_owned());
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    if found.is_empty() { Err(malformed()) } else { Ok(found) }
}

pub fn walk(value: &Value, steps: &[String]) -> Result<Value> {
    let Some((step, rest)) = steps.split_first() else { return Ok(value.clone()) };
    let next = match value {
        Value::Array(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
        other => other.get(step),
    };
    walk(next.ok_or_else(|| format!("there is no {step}"))?, rest)
}
