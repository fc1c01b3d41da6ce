//! One client for each service, over one pool of connections; every call has a deadline and is repeated within it.

use crate::handler::config::Config;
use crate::handler::event::ConnectionId;
use crate::limits;
use aws_sdk_apigatewaymanagement as management;
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::collections::HashMap;
use std::time::Duration;

/// An item of a table.
pub(super) type Item = HashMap<String, AttributeValue>;

/// First pause before a repeated call; the SDK doubles it and draws a part of it.
const BACKOFF: Duration = Duration::from_millis(25);

/// Longest pause before a repeated call.
const BACKOFF_MOST: Duration = Duration::from_secs(1);

/// Why a message was not posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::handler) enum PostError {
    /// No such link, or not yet.
    Gone,
    /// The platform wants us to slow down, or the forwarder reads too slowly.
    Busy,
    /// Over 128 KB.
    TooLarge,
    /// Anything else; says what.
    Failed(String),
}

/// The two services.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) dynamodb: dynamodb::Client,
    management: management::Client,
}

impl Clients {
    /// Clients for what `config` names; nothing is called yet.
    pub(super) fn new(config: &Config) -> Self {
        let aws = &config.aws;
        let session = aws.session.as_ref().map(|session| session.expose().to_owned());
        let credentials = Credentials::new(&aws.key, aws.secret.expose(), session, None, "environment");
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .pool_idle_timeout(limits::AWS_IDLE)
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(limits::AWS_CONNECT)
            .operation_attempt_timeout(limits::AWS_ATTEMPT)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(limits::AWS_ATTEMPTS)
            .with_initial_backoff(BACKOFF)
            .with_max_backoff(BACKOFF_MOST);
        let region = Region::new(aws.region.clone());
        let mut tables = dynamodb::Config::builder()
            .region(region.clone())
            .credentials_provider(credentials.clone())
            .http_client(http.clone())
            .timeout_config(timeouts.clone())
            .retry_config(retries.clone());
        tables.set_endpoint_url(aws.dynamodb_url.clone());
        let links = management::Config::builder()
            .region(region)
            .credentials_provider(credentials)
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(retries)
            .endpoint_url(&config.callback_url);
        Self {
            dynamodb: dynamodb::Client::from_conf(tables.build()),
            management: management::Client::from_conf(links.build()),
        }
    }

    /// Opens the connection to API Gateway: asks for a link that cannot be.
    pub(super) async fn warm_up(&self) {
        let _gone = self.management.get_connection().connection_id("none=").send().await;
    }

    /// Posts a text to a link.
    ///
    /// # Errors
    /// [`PostError`].
    pub(super) async fn post(&self, connection: &ConnectionId, text: &str) -> Result<(), PostError> {
        let post = self.management.post_to_connection().connection_id(connection.as_str());
        let outcome = post.data(Blob::new(text.as_bytes())).send().await;
        outcome.map(drop).map_err(|error| match error.as_service_error() {
            Some(known) if known.is_gone_exception() => PostError::Gone,
            Some(known) if known.is_limit_exceeded_exception() => PostError::Busy,
            Some(known) if known.is_payload_too_large_exception() => PostError::TooLarge,
            _ => PostError::Failed(said(&error)),
        })
    }

    /// Whether a link is gone for certain.
    pub(super) async fn is_gone(&self, connection: &ConnectionId) -> bool {
        let asked = self.management.get_connection().connection_id(connection.as_str()).send().await;
        asked.is_err_and(|error| error.as_service_error().is_some_and(|known| known.is_gone_exception()))
    }

    /// Closes a link; one that is gone already is as good.
    pub(super) async fn close(&self, connection: &ConnectionId) {
        if let Err(error) = self.management.delete_connection().connection_id(connection.as_str()).send().await {
            tracing::debug!(error = said(&error), "a link could not be closed");
        }
    }

    /// Writes an item; the same item written again changes nothing.
    ///
    /// # Errors
    /// The table cannot be written, also not when tried again; says why.
    pub(super) async fn put(&self, table: &str, item: Item) -> Result<(), String> {
        let put = self.dynamodb.put_item().table_name(table).set_item(Some(item));
        put.send().await.map(drop).map_err(|error| said(&error))
    }
}

/// An error of the SDK with its causes; holds neither keys nor bodies.
pub(super) fn said<E>(error: &SdkError<E>) -> String
where
    E: std::error::Error + 'static,
{
    DisplayErrorContext(error).to_string()
}
