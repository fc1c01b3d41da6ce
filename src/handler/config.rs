//! The environment is read once, here; a name that is missing or broken stops the function with a text that names it.
//!
//! `Pulumi.yaml` sets each `TUNNEL_…` name; the `AWS_…` names are the platform's own.

use crate::gate::access::{Access, AccessConfig};
use crate::gate::route::PublicUrl;
use crate::limits;
use crate::secret::{Lookup, Secret};
use std::fmt;
use std::time::Duration;
use tracing_subscriber::filter::Targets;

/// What the function is told.
pub struct Config {
    /// Table of the links, by tunnel name.
    pub connections_table: String,
    /// Table of the answers' parts, by exchange.
    pub pending_table: String,
    /// Where messages to forwarders are posted: `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
    pub callback_url: String,
    /// Where visitors find tunnels.
    pub public_url: PublicUrl,
    /// The HTTP API's own address, by path; the same as `public_url` where there is no domain.
    pub http_url: PublicUrl,
    /// The Function URL, by path, for answers that stream; `None` until the first deploy has told its address.
    pub stream_url: Option<PublicUrl>,
    /// Which forwarders are admitted.
    pub access: Access,
    /// What the buffered doors wait for an answer.
    pub answer: Duration,
    /// How long the platform lets a link stand; forwarders open the next one before.
    pub link: Duration,
    /// The log's filter.
    pub log: Option<Targets>,
    /// Region and credentials.
    pub aws: Aws,
}

/// What the platform tells every function.
pub struct Aws {
    /// Region that everything is in.
    pub region: String,
    /// Access key id.
    pub key: String,
    /// Its secret.
    pub secret: Secret,
    /// Its session token; absent for long-lived keys.
    pub session: Option<Secret>,
    /// Where DynamoDB is, if not where it always is.
    pub dynamodb_url: Option<String>,
}

/// What is wrong with the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// This name is not set, or empty.
    Missing(&'static str),
    /// This name holds what it may not; says what is wanted.
    Broken(&'static str, String),
    /// The names that say who is admitted; says what is wrong.
    Access(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => {
                write!(f, "the environment variable {name} is not set: Pulumi.yaml sets it on every deploy")
            }
            Self::Broken(name, wanted) => write!(f, "the environment variable {name} is malformed: {wanted}"),
            Self::Access(what) => {
                write!(f, "TUNNEL_TOKEN, TUNNEL_JWT_SECRET and TUNNEL_JWKS admit nobody: {what}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names what is missing or broken.
    pub fn read(env: Lookup<'_>) -> Result<Self, ConfigError> {
        let set = |name| env(name).filter(|text: &String| !text.is_empty());
        let must = |name| set(name).ok_or(ConfigError::Missing(name));
        let http_url = public_url("TUNNEL_HTTP_URL", &must("TUNNEL_HTTP_URL")?)?;
        let public = set("TUNNEL_PUBLIC_URL").map(|text| public_url("TUNNEL_PUBLIC_URL", &text)).transpose()?;
        let stream = set("TUNNEL_STREAM_URL").map(|text| public_url("TUNNEL_STREAM_URL", &text)).transpose()?;
        let access = AccessConfig {
            tokens: set("TUNNEL_TOKEN").iter().map(|text| Secret::new(text)).collect(),
            jwt_secret: set("TUNNEL_JWT_SECRET").map(|text| Secret::new(&text)),
            jwks: set("TUNNEL_JWKS"),
            ..AccessConfig::default()
        };
        Ok(Self {
            connections_table: must("TUNNEL_CONNECTIONS_TABLE")?,
            pending_table: must("TUNNEL_PENDING_TABLE")?,
            callback_url: callback_url(must("TUNNEL_CALLBACK_URL")?)?,
            public_url: public.unwrap_or_else(|| http_url.clone()),
            http_url,
            stream_url: stream,
            access: Access::new(access).map_err(|error| ConfigError::Access(error.to_string()))?,
            answer: set("TUNNEL_ANSWER_SECONDS").map_or(Ok(limits::BUFFERED_ANSWER), |text| answer(&text))?,
            link: set("TUNNEL_LINK_SECONDS").map_or(Ok(limits::PLATFORM_LIFETIME), |text| link(&text))?,
            log: set("RUST_LOG").map(|text| log(&text)).transpose()?,
            aws: Aws {
                region: must("AWS_REGION")?,
                key: must("AWS_ACCESS_KEY_ID")?,
                secret: Secret::new(&must("AWS_SECRET_ACCESS_KEY")?),
                session: set("AWS_SESSION_TOKEN").map(|text| Secret::new(&text)),
                dynamodb_url: set("AWS_ENDPOINT_URL_DYNAMODB"),
            },
        })
    }
}

fn log(text: &str) -> Result<Targets, ConfigError> {
    let wanted = "a log filter is LEVEL or TARGET=LEVEL, separated by commas, such as info";
    text.parse().map_err(|_| ConfigError::Broken("RUST_LOG", wanted.to_owned()))
}

fn public_url(name: &'static str, text: &str) -> Result<PublicUrl, ConfigError> {
    text.parse().map_err(|error: crate::gate::route::NotPublicUrl| ConfigError::Broken(name, error.to_string()))
}

fn callback_url(text: String) -> Result<String, ConfigError> {
    let uri = text.parse::<http::Uri>().ok().filter(|uri| uri.host().is_some() && uri.scheme().is_some());
    let wanted = "the address for @connections is https://API.execute-api.REGION.amazonaws.com/STAGE";
    uri.map(|_| text).ok_or_else(|| ConfigError::Broken("TUNNEL_CALLBACK_URL", wanted.to_owned()))
}

fn answer(text: &str) -> Result<Duration, ConfigError> {
    let most = limits::HTTP_API_WAIT.as_secs();
    let seconds = text.parse().ok().filter(|seconds| (1..=most).contains(seconds));
    let wanted = format!("a whole number of seconds from 1 to {most} is wanted, an HTTP API waits for 30");
    seconds.map(Duration::from_secs).ok_or(ConfigError::Broken("TUNNEL_ANSWER_SECONDS", wanted))
}

fn link(text: &str) -> Result<Duration, ConfigError> {
    let most = limits::PLATFORM_LIFETIME.as_secs();
    let seconds = text.parse().ok().filter(|seconds| (1..=most).contains(seconds));
    let wanted = format!("a whole number of seconds from 1 to {most} is wanted, API Gateway cuts links after that");
    seconds.map(Duration::from_secs).ok_or(ConfigError::Broken("TUNNEL_LINK_SECONDS", wanted))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
