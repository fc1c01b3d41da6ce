//! A forwarder's link, spoken by hand: what API Gateway hands the function, and what the function posts.

use crate::common::in_time;
use crate::platform::TOKEN;
use crate::serverless::Stack;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// An ownership secret: 64 hex digits.
pub fn owner(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// A handshake that was refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub text: String,
}

#[derive(Debug)]
pub struct Link {
    socket: WebSocketStream<TcpStream>,
    pub subprotocol: String,
}

impl Link {
    /// Opens a link with these header fields and no others.
    pub async fn handshake(stack: &Stack, fields: &[(&str, &str)]) -> Result<Self, Refused> {
        let mut request = stack.endpoint().into_client_request().expect("an endpoint is a URL");
        for (name, value) in fields {
            let name: http::HeaderName = name.parse().expect("a header's name");
            request.headers_mut().insert(name, value.parse().expect("a header's value"));
        }
        let address = request.uri().authority().expect("an endpoint has an authority").as_str().to_owned();
        let stream = TcpStream::connect(address).await.expect("the stand-in listens");
        match in_time("the handshake", client_async(request, stream)).await {
            Ok((socket, response)) => {
                let chosen = response.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
                let subprotocol = chosen.unwrap_or_default().to_owned();
                Ok(Self { socket, subprotocol })
            }
            Err(Error::Http(response)) => {
                let text = String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned();
                Err(Refused { status: response.status().as_u16(), text })
            }
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    /// Asks for `name` with the tests' token.
    pub async fn open(stack: &Stack, name: &str, owner: &str) -> Result<Self, Refused> {
        let bearer = format!("Bearer {TOKEN}");
        let fields = [
            ("sec-websocket-protocol", "tunnel.v1.bin, tunnel.v1.json"),
            ("authorization", bearer.as_str()),
            ("x-tunnel-name", name),
            ("x-tunnel-owner", owner),
        ];
        Self::handshake(stack, &fields).await
    }

    /// The same, and says hello; gives the welcome too.
    pub async fn welcomed(stack: &Stack, name: &str, owner: &str) -> (Self, Value) {
        let mut link = Self::open(stack, name, owner).await.expect("the link is admitted");
        link.send(&json!({ "kind": "hello", "agent": "by-hand/1" })).await;
        let welcome = link.receive().await;
        assert_eq!(welcome["kind"], "welcome", "{welcome}");
        (link, welcome)
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("the stand-in reads");
    }

    /// The next message.
    pub async fn receive(&mut self) -> Value {
        loop {
            match in_time("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("messages are JSON"),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no message: {other:?}"),
            }
        }
    }

    /// Waits until the link is closed, and says with which code.
    pub async fn closes(&mut self) -> Option<u16> {
        loop {
            match in_time("the close", self.socket.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Closes with `code` and waits for the answer.
    pub async fn close(mut self, code: u16) {
        let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: code.into(), reason: "".into() };
        self.socket.send(Message::Close(Some(frame))).await.expect("the stand-in reads");
        while let Some(Ok(_)) = in_time("the close", self.socket.next()).await {}
    }
}

/// The answer to an exchange, whole in one message.
pub fn answer(open: &Value, text: &str) -> Value {
    json!({ "kind": "answer", "id": open["id"], "status": 200, "headers": [], "text": text, "end": true })
}
