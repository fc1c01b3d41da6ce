//! Routes and integrations of the program, and which one a message takes.

use super::Names;
use crate::serverless::program::{Program, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub enum Integration {
    Function(Duration),
    Mock,
}

#[derive(Debug)]
pub struct Routes {
    /// The selected field of a message; `None`: every message takes the same route.
    field: Option<Vec<String>>,
    routes: BTreeMap<String, Integration>,
}

const API: &str = "aws:apigatewayv2:Api";
const STAGE: &str = "aws:apigatewayv2:Stage";

/// The one API of this protocol, by its logical name.
pub fn api(program: &Program, protocol: &str) -> Result<String> {
    let mut found = Vec::new();
    for name in program.of_type(API) {
        if program.property(&name, "protocolType")? == protocol {
            found.push(name);
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(format!("one {protocol} API is needed, there are {}", found.len())),
    }
}

fn stage(program: &Program, api: &str) -> Result<String> {
    for name in program.of_type(STAGE) {
        if program.property(&name, "apiId")? == program.id(api) {
            if program.property(&name, "autoDeploy")? != true {
                return Err(format!("{name}: without autoDeploy nothing is deployed, and every call is 403"));
            }
            let stage = program.property(&name, "name")?;
            return stage.as_str().map(str::to_owned).ok_or_else(|| format!("{name}: a stage has a name"));
        }
    }
    Err(format!("{api} has no stage"))
}

/// Route key to integration, of one API.
fn routes_of(program: &Program, api: &str, longest: Duration) -> Result<BTreeMap<String, Integration>> {
    let mut integrations = BTreeMap::new();
    for name in program.of_type("aws:apigatewayv2:Integration") {
        let properties = program.properties(&name)?;
        if properties["apiId"] != program.id(api) {
            continue;
        }
        let timeout = properties["timeoutMilliseconds"].as_u64().map_or(longest, Duration::from_millis);
        if timeout > longest {
            return Err(format!("{name}: timeoutMilliseconds is over the platform's {longest:?}"));
        }
        let integration = match properties["integrationType"].as_str() {
            Some("AWS_PROXY") => Integration::Function(timeout),
            Some("MOCK") => Integration::Mock,
            other => return Err(format!("{name}: integrationType {other:?} is not known to the stand-in")),
        };
        integrations.insert(format!("integrations/{}", program.id(&name)), integration);
    }
    let mut routes = BTreeMap::new();
    for name in program.of_type("aws:apigatewayv2:Route") {
        let properties = program.properties(&name)?;
        if properties["apiId"] != program.id(api) {
            continue;
        }
        if !matches!(properties["authorizationType"].as_str(), None | Some("NONE")) {
            return Err(format!("{name}: authorizers are not known to the stand-in"));
        }
        let key = properties["routeKey"].as_str().ok_or_else(|| format!("{name}: no routeKey"))?;
        let target = properties["target"].as_str().unwrap_or_default();
        let integration = integrations.get(target).ok_or_else(|| format!("{name}: no integration {target}"))?;
        routes.insert(key.to_owned(), integration.clone());
    }
    Ok(routes)
}

pub fn names(program: &Program) -> Result<Names> {
    let (websocket, http) = (api(program, "WEBSOCKET")?, api(program, "HTTP")?);
    if stage(program, &http)? != "$default" {
        return Err(format!("{http}: the stand-in knows the stage $default only"));
    }
    if !program.property(&http, "corsConfiguration")?.is_null() {
        return Err(format!("{http}: with a CORS configuration the gateway answers preflights itself"));
    }
    let longest = Duration::from_secs(30);
    let http_timeout = match routes_of(program, &http, longest)?.get("$default") {
        Some(Integration::Function(timeout)) => *timeout,
        _ => return Err(format!("{http}: no $default route to the function")),
    };
    let url = program.only("aws:lambda:FunctionUrl")?;
    let properties = program.properties(&url)?;
    if properties["invokeMode"] != "RESPONSE_STREAM" || properties["authorizationType"] != "NONE" {
        return Err(format!("{url}: the stand-in knows RESPONSE_STREAM and NONE only"));
    }
    Ok(Names {
        websocket_api: program.id(&websocket),
        websocket_arn: program.execution_arn(&websocket),
        stage: stage(program, &websocket)?,
        http_api: program.id(&http),
        http_timeout,
        function_url: program.id(&url),
    })
}

impl Routes {
    pub fn read(program: &Program) -> Result<Self> {
        let api = api(program, "WEBSOCKET")?;
        let selection = program.property(&api, "routeSelectionExpression")?;
        let field = match selection.as_str().unwrap_or_default() {
            "\\$default" | "$default" => None,
            other => match other
                .trim_start_matches("${")
                .trim_end_matches('}')
                .trim_start_matches('$')
                .strip_prefix("request.body.")
            {
                Some(path) => Some(path.split('.').map(str::to_owned).collect()),
                None => return Err(format!("{api}: routeSelectionExpression {other:?} is not known to the stand-in")),
            },
        };
        Ok(Self { field, routes: routes_of(program, &api, Duration::from_secs(29))? })
    }

    /// The route of an event that is no message: `$connect` or `$disconnect`.
    pub fn get(&self, key: &str) -> Option<&Integration> {
        self.routes.get(key)
    }

    /// The route of a message: the one that its field names, otherwise `$default`.
    pub fn select(&self, text: &str) -> Option<(&str, &Integration)> {
        let named = self.field.as_ref().and_then(|path| {
            let whole: Value = serde_json::from_str(text).ok()?;
            let found = path.iter().try_fold(&whole, |value, step| value.get(step))?;
            let key = found.as_str()?;
            // The keys with a dollar sign are not for messages to choose.
            self.routes.get_key_value(key).filter(|_| !key.starts_with('$'))
        });
        named.or_else(|| self.routes.get_key_value("$default")).map(|(key, integration)| (key.as_str(), integration))
    }
}
