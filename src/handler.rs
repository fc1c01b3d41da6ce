//! One function for every event: a forwarder's link opens, speaks and ends, a visitor asks; each event becomes a call of
//! the gate or of the switchboard, and what they answer goes back through the door that the event came from.
//!
//! Invocations share nothing but the clients, a short memory of links and of how long tunnels take. Everything that an
//! invocation starts is over when it ends, since the environment is frozen then.

mod aws;
pub mod config;
pub mod event;
mod pace;
mod report;
mod visit;

use crate::gate::handshake::{self, Refused};
use crate::gate::route::PublicUrl;
use crate::gate::switchboard::Switchboard as _;
use crate::id::TunnelName;
use crate::limits;
use crate::wire::{Encoding, Message as _, ToForwarder, ToGate, Welcome};
use aws::{Aws, Link, Shared};
use config::Config;
use event::{Answer, ConnectionId, Event, EventError};
use http::{HeaderMap, StatusCode};
use lambda_runtime::{Error, FunctionResponse, LambdaEvent};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
pub use visit::Streamed;

/// With a domain, `connect.DOMAIN` is the WebSocket API's address (`domain/Pulumi.yaml`) and can be no tunnel's.
const OWN_NAME: &str = "connect";

/// The answer to an invocation.
pub type Outcome = FunctionResponse<Answer, Streamed>;

/// The function.
pub struct Handler {
    config: Config,
    shared: Arc<Shared>,
}

/// The invocation that is being served.
#[derive(Clone, Debug)]
struct Invocation {
    id: String,
    begun: Instant,
    /// When the platform will end it.
    deadline: Instant,
}

impl Invocation {
    fn new(context: &lambda_runtime::Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let begun = Instant::now();
        Self { id: context.request_id.clone(), begun, deadline: begun + left.saturating_sub(limits::INVOCATION_MARGIN) }
    }
}

impl Handler {
    /// The function that `config` describes, with its connections to AWS open.
    pub async fn start(config: Config) -> Self {
        let shared = Arc::new(Shared::new(&config));
        shared.warm_up().await;
        Self { config, shared }
    }

    /// Serves one event.
    ///
    /// # Errors
    /// The event is none of ours, or a forwarder's message could not be kept: the invocation fails, upon which API Gateway
    /// tells the forwarder, which sends the message again.
    pub async fn serve(&self, event: LambdaEvent<Value>) -> Result<Outcome, Error> {
        let invocation = Invocation::new(&event.context);
        let aws = || Aws::new(self.shared.clone(), invocation.deadline);
        match Event::parse(event.payload) {
            Ok(Event::Visit(call)) => Ok(visit::serve(self, *call, &invocation).await),
            Ok(Event::Connect(id, headers)) => Ok(buffered(self.connect(aws(), id, &headers).await)),
            Ok(Event::Disconnect(id, code)) => {
                tracing::info!(connection = %id, code, "link ended");
                // A forwarder that closes as one does who is done needs its name no more; any other one will be back.
                aws().disconnect(&Link::of(id), code == Some(1000)).await;
                Ok(buffered(Answer::plain(StatusCode::OK, "")))
            }
            Ok(Event::Message(id, text)) => self.message(aws(), id, &text).await.map(buffered),
            Err(error @ EventError::Base64) => Ok(visit::refuse(&error)),
            Err(error) => Err(error.into()),
        }
    }

    async fn connect(&self, aws: Aws, id: ConnectionId, headers: &HeaderMap) -> Answer {
        let admitted = async {
            let encoding = handshake::encoding(headers, &[Encoding::Text], "gate")?;
            let claim = handshake::claim(&self.config.access, headers, SystemTime::now())?;
            if claim.name.as_ref().is_some_and(|name| name.as_str() == OWN_NAME) {
                let text = format!("the name {OWN_NAME} is where forwarders join: choose another --name");
                return Err(Refused::malformed(StatusCode::BAD_REQUEST, text));
            }
            let name = aws.connect(&claim, &Link::of(id)).await?;
            Ok::<_, Refused>((encoding, name))
        };
        match admitted.await {
            Ok((encoding, name)) => {
                tracing::info!(tunnel = %name, "forwarder admitted");
                Answer::accepted(encoding.subprotocol())
            }
            Err(Refused { status, text, reason }) => {
                tracing::warn!(%status, ?reason, "handshake refused");
                Answer::plain(status, &format!("{text}\n"))
            }
        }
    }

    async fn message(&self, aws: Aws, id: ConnectionId, text: &str) -> Result<Answer, Error> {
        let link = Link::of(id);
        match ToGate::decode_text(text) {
            Ok(Some(ToGate::Hello(hello))) => {
                let name = aws.name_of(&link.connection).await?;
                tracing::info!(tunnel = %name, agent = %hello.agent, "link open");
                let welcome = ToForwarder::Welcome(self.welcome(&name));
                aws.post(&link, &welcome).await.map_err(|error| format!("the welcome was not posted: {error:?}"))?;
            }
            Ok(Some(message)) => aws.deliver(&link, message).await?,
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a forwarder sent what cannot be understood, its link is closed");
                aws.close(&link.connection).await;
            }
        }
        Ok(Answer::plain(StatusCode::OK, ""))
    }

    fn welcome(&self, name: &TunnelName) -> Welcome {
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        Welcome {
            name: name.to_string(),
            url: self.config.public_url.of(name),
            stream_url: self.config.stream_url.as_ref().map(|url| url.of(name)),
            window: None,
            keep_alive: seconds(limits::PLATFORM_KEEP_ALIVE),
            lifetime: Some(seconds(self.config.link)),
            answer_limit: Some(limits::LAMBDA_STREAM),
        }
    }

    /// Where tunnels are found for a request that came in for `domain`.
    fn public_url(&self, door: event::Door, domain: &str) -> PublicUrl {
        match door {
            // The Function URL's address is not known while it is being made, but it is the one that was asked.
            event::Door::FunctionUrl => {
                format!("https://{domain}/{{tunnel}}").parse().unwrap_or_else(|_| self.config.http_url.clone())
            }
            _ if self.config.http_url.is_at(domain) => self.config.http_url.clone(),
            _ => self.config.public_url.clone(),
        }
    }
}

fn buffered(answer: Answer) -> Outcome {
    FunctionResponse::BufferedResponse(answer)
}

/// Starts the log as JSON on stdout, which is where the platform reads it.
pub fn start_log(filter: Option<Targets>) {
    // The SDK and hyper say little of use below a warning.
    let quiet = || Targets::new().with_default(LevelFilter::WARN).with_target("http_tunnel", LevelFilter::INFO);
    let log =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    tracing_subscriber::registry().with(log.with_filter(filter.unwrap_or_else(quiet))).init();
}
