//! The Pulumi program as the platform would read it: configuration, variables, references. There is no second list of
//! tables, routes or environment names, and a reference to nothing is an error.

mod stack;
mod value;

use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

pub const REGION: &str = "us-east-1";
pub const ACCOUNT: &str = "123456789012";

/// Errors name the place in the program.
pub type Result<T> = std::result::Result<T, String>;

#[derive(Debug)]
pub struct Program {
    name: String,
    config: Map<String, Value>,
    variables: Map<String, Value>,
    resources: Map<String, Value>,
    /// Sets the physical names of two stacks of one program apart.
    suffix: String,
    /// Physical names that a deployment gave.
    given: BTreeMap<String, String>,
    /// What is being resolved, so that a circle is an error and not a crash.
    path: RefCell<Vec<String>>,
}

impl Program {
    /// Reads `Pulumi.yaml` and `Pulumi.{stack}.yaml` in `root`; `settings` go before the stack file's.
    pub fn read(root: &Path, stack: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let file = |name: &str| {
            let path = root.join(name);
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            yaml(&text).map_err(|error| format!("{name}: {error}"))
        };
        Self::parse(file("Pulumi.yaml")?, &file(&format!("Pulumi.{stack}.yaml"))?, settings)
    }

    pub fn parse(mut program: Value, stack: &Value, settings: &[(&str, &str)]) -> Result<Self> {
        let name = program["name"].as_str().ok_or("Pulumi.yaml: no name")?.to_owned();
        let config = stack::config(&name, &program["config"], &stack["config"], settings)?;
        let mut section = |key: &str| match program[key].take() {
            Value::Object(section) => section,
            _ => Map::new(),
        };
        let variables = section("variables");
        let resources = section("resources");
        let known = Self {
            name,
            config,
            variables,
            resources,
            suffix: super::unique(),
            given: BTreeMap::new(),
            path: RefCell::default(),
        };
        known.check_heads()?;
        Ok(known)
    }

    /// Every reference begins with something that exists, wherever in the program it stands.
    fn check_heads(&self) -> Result<()> {
        for (name, resource) in self.resources.iter().chain(&self.variables) {
            value::references(resource, &mut |reference| {
                let head = value::steps(reference)?.remove(0);
                let known = head == "pulumi"
                    || [&self.config, &self.variables, &self.resources]
                        .iter()
                        .any(|section| section.contains_key(&head));
                if known { Ok(()) } else { Err(format!("{name}: ${{{reference}}}: nothing is called {head}")) }
            })?;
        }
        Ok(())
    }

    /// Sets a configuration key that is declared and empty.
    pub fn fill(&mut self, key: &str, value: &str) {
        if let Some(empty) = self.config.get_mut(key).filter(|found| **found == "") {
            *empty = json!(value);
        }
    }

    pub fn setting(&self, key: &str) -> Result<Value> {
        self.config.get(key).cloned().ok_or_else(|| format!("no configuration key {key}"))
    }

    /// Logical names of all resources of this type.
    pub fn of_type(&self, kind: &str) -> Vec<String> {
        self.resources
            .iter()
            .filter(|(_, it)| stack::same_type(&it["type"], kind))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The one resource of this type.
    pub fn only(&self, kind: &str) -> Result<String> {
        match self.of_type(kind).as_slice() {
            [one] => Ok(one.clone()),
            found => Err(format!("one {kind} is needed, there are {}: {found:?}", found.len())),
        }
    }

    /// A resource's properties, resolved.
    pub fn properties(&self, resource: &str) -> Result<Value> {
        self.resolve(&self.declared(resource)?["properties"]).map_err(|error| format!("{resource}: {error}"))
    }

    /// One property of a resource, resolved; null if it is not set.
    pub fn property(&self, resource: &str, name: &str) -> Result<Value> {
        self.resolve(&self.declared(resource)?["properties"][name])
            .map_err(|error| format!("{resource}.{name}: {error}"))
    }

    fn declared(&self, resource: &str) -> Result<&Value> {
        self.resources.get(resource).ok_or_else(|| format!("no resource {resource}"))
    }

    fn resolve(&self, value: &Value) -> Result<Value> {
        value::resolve(value, &|reference| self.look_up(reference))
    }

    fn look_up(&self, reference: &str) -> Result<Value> {
        if self.path.borrow().iter().any(|earlier| earlier == reference) {
            return Err(format!("${{{reference}}} depends on itself"));
        }
        self.path.borrow_mut().push(reference.to_owned());
        let found = self.find(reference);
        self.path.borrow_mut().pop();
        found.map_err(|error| format!("${{{reference}}}: {error}"))
    }

    fn find(&self, reference: &str) -> Result<Value> {
        let steps = value::steps(reference)?;
        let (head, rest) = (steps[0].as_str(), &steps[1..]);
        if let Some(found) = self.config.get(head) {
            return value::walk(found, rest);
        }
        if let Some(found) = self.variables.get(head) {
            return value::walk(&self.resolve_variable(found)?, rest);
        }
        match (head, rest) {
            ("pulumi", [what]) => self.pulumi(what),
            (_, []) => Ok(json!({"urn": head})),
            (_, [attribute, rest @ ..]) => value::walk(&self.attribute(head, attribute)?, rest),
        }
    }

    fn resolve_variable(&self, variable: &Value) -> Result<Value> {
        let Some(invoked) = variable.get("fn::invoke") else { return self.resolve(variable) };
        let whole = match invoked["function"].as_str() {
            Some("aws:getRegion" | "aws:index:getRegion") => json!({"name": REGION, "id": REGION, "region": REGION}),
            Some("aws:getCallerIdentity" | "aws:index:getCallerIdentity") => json!({"accountId": ACCOUNT}),
            other => return Err(format!("fn::invoke of {other:?} is not known to the stand-in")),
        };
        match invoked["return"].as_str() {
            Some(field) => value::walk(&whole, &[field.to_owned()]),
            None => Ok(whole),
        }
    }

    fn pulumi(&self, what: &str) -> Result<Value> {
        match what {
            "project" => Ok(json!(self.name)),
            "stack" => Ok(json!("standin")),
            _ => Err("not known to the stand-in".to_owned()),
        }
    }

    /// An output of a resource: what the platform makes up, or one of its inputs.
    fn attribute(&self, resource: &str, attribute: &str) -> Result<Value> {
        let declared = self.declared(resource)?;
        let text = |text: String| Ok(Value::String(text));
        match (stack::short_type(&declared["type"]).as_str(), attribute) {
            ("aws:apigatewayv2:Api", "apiEndpoint") => text(match &declared["properties"]["protocolType"] {
                Value::String(protocol) if protocol == "WEBSOCKET" => format!("wss://{}", self.api_host(resource)),
                _ => format!("https://{}", self.api_host(resource)),
            }),
            ("aws:apigatewayv2:Api", "executionArn") => text(self.execution_arn(resource)),
            ("aws:apigatewayv2:Stage", "id") => self.property(resource, "name"),
            ("aws:apigatewayv2:Stage", "invokeUrl") => {
                text(format!("{}/{}", self.stage_url(resource)?, self.stage_path(resource)?))
            }
            ("aws:lambda:Function", "arn") => text(self.function_arn(resource)),
            ("aws:lambda:Function", "invokeArn" | "responseStreamingInvokeArn") => text(format!(
                "arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{}/invocations",
                self.function_arn(resource)
            )),
            ("aws:lambda:FunctionUrl", "functionUrl") => text(format!("https://{}/", self.function_url_host(resource))),
            ("aws:dynamodb:Table", "arn") => text(table_arn(&self.id(resource))),
            (_, "region") => Ok(json!(REGION)),
            (_, input) if !declared["properties"][input].is_null() => self.property(resource, input),
            (_, "id" | "name") => text(self.id(resource)),
            (kind, "arn") => text(format!("arn:aws:{kind}:{REGION}:{ACCOUNT}:{}", self.id(resource))),
            (kind, _) => Err(format!("a {kind} has no {attribute}")),
        }
    }

    /// From here on `resource` is what a deployment called it.
    pub fn is_deployed_as(&mut self, resource: &str, physical: &str) {
        self.given.insert(resource.to_owned(), physical.to_owned());
    }

    pub fn id(&self, resource: &str) -> String {
        if let Some(physical) = self.given.get(resource) {
            return physical.clone();
        }
        let given = self.resources.get(resource).and_then(|it| it["properties"]["name"].as_str());
        match given {
            Some(name) if !name.contains('$') => name.to_owned(),
            _ => format!("{resource}-{}", self.suffix).to_lowercase(),
        }
    }

    pub fn function_arn(&self, resource: &str) -> String {
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.id(resource))
    }

    pub fn execution_arn(&self, api: &str) -> String {
        format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{}", self.id(api))
    }

    /// The host of an API's default endpoint.
    pub fn api_host(&self, api: &str) -> String {
        format!("{}.execute-api.{REGION}.amazonaws.com", self.id(api))
    }

    pub fn function_url_host(&self, url: &str) -> String {
        format!("{}.lambda-url.{REGION}.on.aws", self.id(url))
    }

    fn stage_url(&self, stage: &str) -> Result<String> {
        match &self.declared(stage)?["properties"]["apiId"] {
            Value::String(reference) => {
                let api = reference.trim_start_matches("${").split('.').next().unwrap_or_default();
                Ok(self.attribute(api, "apiEndpoint")?.as_str().unwrap_or_default().to_owned())
            }
            _ => Err("no apiId".to_owned()),
        }
    }

    fn stage_path(&self, stage: &str) -> Result<String> {
        let name = self.property(stage, "name")?;
        Ok(name.as_str().filter(|name| *name != "$default").unwrap_or_default().to_owned())
    }
}

pub fn table_arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}")
}

/// YAML 1.2: `yes` and `on` are text.
pub fn yaml(text: &str) -> Result<Value> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}
