//! A browser's WebSocket through the tunnel: messages of both kinds, large ones, the subprotocol, and why either side left.

use anyhow::Result;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::process::{Process, python};
use crate::tunnel::Tunnel;

/// Opens a socket in the page; `next` waits for its next event, in the order in which they come.
const SOCKET: &str = r#"
    const [path, protocols] = arguments;
    const socket = new WebSocket(`ws://${location.host}${path}`, protocols);
    socket.binaryType = "arraybuffer";
    const come = [], waiting = [];
    const arrive = (event) => (waiting.length ? waiting.shift()(event) : come.push(event));
    for (const kind of ["open", "message", "close"]) socket.addEventListener(kind, arrive);
    const next = () => new Promise((seen) => (come.length ? seen(come.shift()) : waiting.push(seen)));
    const opened = async () => {
        const { type } = await next();
        if (type !== "open") throw new Error(`${type} instead of open`);
    };
    const closed = ({ type, code, reason, wasClean }) => ({ type, code, reason, wasClean });
"#;

struct Chat {
    server: Process,
    browser: Browser,
    _tunnel: Tunnel,
}

impl Chat {
    async fn start() -> Result<Self> {
        let mut server = Process::start("websocket", &mut python("websocket/server.py"))?;
        let tunnel = Tunnel::to(server.address("listening on ").await?).await?;
        let browser = Browser::open(&tunnel.url).await?;
        Ok(Self { server, browser, _tunnel: tunnel })
    }

    /// Runs a dialogue with the server in the page and returns what it returns.
    async fn talk(&self, path: &str, protocols: &[&str], dialogue: &str) -> Result<Value> {
        let script = format!("return (async () => {{ {SOCKET} {dialogue} }})()");
        let arguments = [json!(path), json!(protocols)];
        self.browser.run(&script, &arguments).await
    }

    /// How the server saw a socket end.
    async fn end_seen_by_server(&mut self) -> Result<String> {
        let end = |line: &str| Some(line.strip_prefix("closed ")?.to_owned());
        self.server.line(end).await
    }
}

#[tokio::test]
async fn text_and_binary_messages_come_back_as_they_went() -> Result<()> {
    let chat = Chat::start().await?;
    let dialogue = r#"
        await opened();
        socket.send("Grüße, 世界 👋");
        const text = (await next()).data;
        socket.send("");
        const empty = (await next()).data;
        socket.send(new Uint8Array([0, 255, 10, 128]));
        const bytes = [...new Uint8Array((await next()).data)];
        return { text, empty, bytes };
    "#;
    let came = chat.talk("/echo", &[], dialogue).await?;
    let went = json!({ "text": "Grüße, 世界 👋", "empty": "", "bytes": [0, 255, 10, 128] });
    assert_eq!(came, went);
    chat.browser.close().await
}

#[tokio::test]
async fn messages_of_a_mebibyte_come_back_whole() -> Result<()> {
    let chat = Chat::start().await?;
    let dialogue = r#"
        await opened();
        const bytes = new Uint8Array(1 << 20).map((_, place) => (place * 2654435761) >>> 13);
        socket.send(bytes);
        const back = new Uint8Array((await next()).data);
        const text = "0123456789abcdef".repeat(1 << 16);
        socket.send(text);
        const textIsSame = (await next()).data === text;
        return [back.length, back.every((byte, place) => byte === bytes[place]), textIsSame];
    "#;
    let came = chat.talk("/echo", &[], dialogue).await?;
    assert_eq!(came, json!([1 << 20, true, true]));
    chat.browser.close().await
}

#[tokio::test]
async fn the_server_chooses_among_the_subprotocols_that_the_page_offers() -> Result<()> {
    let chat = Chat::start().await?;
    let dialogue = "await opened(); return socket.protocol";
    let chosen = chat.talk("/echo", &["chat.v3", "chat.v2", "chat.v1"], dialogue).await?;
    assert_eq!(chosen, "chat.v2");
    let none = chat.talk("/echo", &[], dialogue).await?;
    assert_eq!(none, "");
    chat.browser.close().await
}

#[tokio::test]
async fn a_server_that_talks_only_to_its_own_pages_talks_to_this_one() -> Result<()> {
    let chat = Chat::start().await?;
    let dialogue = "await opened(); socket.send('me?'); return (await next()).data";
    assert_eq!(chat.talk("/own", &[], dialogue).await?, "me?");
    chat.browser.close().await
}

#[tokio::test]
async fn the_page_learns_why_the_server_closed() -> Result<()> {
    let chat = Chat::start().await?;
    let dialogue = "await opened(); return closed(await next())";
    let end = chat.talk("/close/4001/enough%20for%20today", &[], dialogue).await?;
    let said = json!({ "type": "close", "code": 4001, "reason": "enough for today", "wasClean": true });
    assert_eq!(end, said);
    let refused = chat.talk("/refuse", &[], "return (await next()).type").await?;
    assert_eq!(refused, "close", "a handshake that the server refuses never opens");
    chat.browser.close().await
}

#[tokio::test]
async fn the_server_learns_why_the_page_closed() -> Result<()> {
    let mut chat = Chat::start().await?;
    let dialogue = "await opened(); socket.close(4002, 'gone fishing'); return closed(await next())";
    let end = chat.talk("/echo", &[], dialogue).await?;
    assert_eq!(end["code"], 4002);
    assert_eq!(chat.end_seen_by_server().await?, "4002 gone fishing");
    chat.talk("/echo", &[], "await opened(); socket.close(); return null").await?;
    assert_eq!(chat.end_seen_by_server().await?, "1005 ");
    chat.talk("/echo", &[], "await opened(); location.href = '/'; return null").await?;
    assert_eq!(chat.end_seen_by_server().await?, "1001 ");
    chat.browser.close().await
}
