//! What the program lets the function do. A call that its role does not allow is refused, as on the platform.

use super::program::{Program, Result};
use serde_json::Value;

#[derive(Debug, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug)]
struct Statement {
    actions: Vec<String>,
    resources: Vec<String>,
}

impl Policy {
    /// The policies of the function's role.
    pub fn read(program: &Program) -> Result<Self> {
        let role = program.property(&program.only("aws:lambda:Function")?, "role")?;
        let mut statements = Vec::new();
        for name in program.of_type("aws:iam:RolePolicy") {
            let declared = program.properties(&name)?;
            let of = declared["role"].as_str().unwrap_or_default();
            if !role.as_str().is_some_and(|role| role.ends_with(of)) {
                continue;
            }
            let text = declared["policy"].as_str().ok_or_else(|| format!("{name}: the policy is no text"))?;
            let document: Value = serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
            for statement in document["Statement"].as_array().into_iter().flatten() {
                statements.push(Statement::read(statement).map_err(|error| format!("{name}: {error}: {statement}"))?);
            }
        }
        Ok(Self { statements })
    }

    pub fn allows(&self, action: &str, resource: &str) -> bool {
        self.statements.iter().any(|statement| {
            statement.actions.iter().any(|pattern| matches(pattern, action))
                && statement.resources.iter().any(|pattern| matches(pattern, resource))
        })
    }
}

impl Statement {
    fn read(statement: &Value) -> Result<Self> {
        if statement["Effect"] != "Allow" || statement.get("Condition").is_some() {
            return Err("the stand-in knows Allow without conditions only".to_owned());
        }
        Ok(Self { actions: texts(&statement["Action"])?, resources: texts(&statement["Resource"])? })
    }
}

fn texts(value: &Value) -> Result<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no text"));
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

/// Whether a pattern with `*` covers the text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|after| {
            (0..=after.len()).filter(|at| after.is_char_boundary(*at)).any(|at| matches(rest, &after[at..]))
        }),
    }
}
