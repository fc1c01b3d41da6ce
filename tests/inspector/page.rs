//! The page in a real browser: what people see, press and copy.

use crate::browser::Browser;
use crate::process::PATIENCE;
use crate::stage::Stage;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::path::Path;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// A browser on the inspector's page, which says that it is live.
pub(crate) async fn open(stage: &Stage) -> Result<Browser> {
    let browser = Browser::open("about:blank").await?;
    let desk = json!({ "width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": false });
    browser.emulate("Emulation.setDeviceMetricsOverride", &desk).await?;
    browser.visit(&stage.url("/")).await?;
    browser.until("return document.querySelector('#live').textContent === 'live'", &[]).await?;
    Ok(browser)
}

/// Presses a key where the focus is.
async fn press(browser: &Browser, key: &str) -> Result<()> {
    let script = "const target = document.activeElement ?? document.body;
        target.dispatchEvent(new KeyboardEvent('keydown', { key: arguments[0], bubbles: true, cancelable: true }))";
    browser.run(script, &[json!(key)]).await?;
    Ok(())
}

/// Clicks the row of this target and waits for its details with both bodies.
async fn show(browser: &Browser, target: &str) -> Result<()> {
    let row = "const row = [...document.querySelectorAll('#rows tr')].find((row) => row.querySelector('.path').title === arguments[0]);
        row?.click(); return row !== undefined";
    browser.until(row, &[json!(target)]).await?;
    let ready = "return document.querySelector('#details .target')?.textContent === arguments[0]
        && ![...document.querySelectorAll('#details .note')].some((note) => note.textContent === 'reading …')";
    browser.until(ready, &[json!(target)]).await
}

/// The text of an element, or null.
async fn text(browser: &Browser, selector: &str) -> Result<String> {
    let text = browser.run("return document.querySelector(arguments[0])?.textContent", &[json!(selector)]).await?;
    text.as_str().map(str::to_owned).with_context(|| format!("{selector} is not there"))
}

/// Keeps what the window shows, where `SCREENSHOTS` names a folder: so docs/screenshots are made.
async fn picture(browser: &Browser, name: &str) -> Result<()> {
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join(name), STANDARD.decode(browser.picture().await?)?)?;
    }
    Ok(())
}

const ANSWER: &str = "#details .body[data-side=response]";

async fn click(browser: &Browser, selector: &str, name: &str) -> Result<()> {
    let script = "const found = [...document.querySelectorAll(arguments[0])].find((one) => one.textContent.startsWith(arguments[1]));
        found?.click(); return found !== undefined";
    browser.until(script, &[json!(selector), json!(name)]).await
}

pub(crate) const PATHS: &str =
    "return [...document.querySelectorAll('#rows tr .path')].map((path) => path.title).join(' ')";

#[tokio::test]
async fn the_list_follows_and_filters() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.get("/first").await?;
    let browser = open(&stage).await?;
    browser.until(&format!("{PATHS} === '/first'"), &[]).await?;
    stage.visit("POST", "/second", &[], "the needle").await?;
    stage.get("/status/500").await?;
    browser.until(&format!("{PATHS} === '/status/500 /second /first'"), &[]).await?;
    browser.until("return document.querySelector('#rows tr .status').textContent === '500'", &[]).await?;
    let set = "const field = document.querySelector(arguments[0]); field.value = arguments[1];
        field.dispatchEvent(new Event('input', { bubbles: true }))";
    for (field, value, found) in [
        ("#text", "needle", "/second"),
        ("#text", "absent", ""),
        ("#text", "", "/status/500 /second /first"),
        ("#method", "post", "/second"),
        ("#method", "", "/status/500 /second /first"),
        ("#status", "5xx", "/status/500"),
        ("#status", "", "/status/500 /second /first"),
        ("#since", "60", "/status/500 /second /first"),
    ] {
        browser.run(set, &[json!(field), json!(value)]).await?;
        browser.until(&format!("{PATHS} === arguments[0]"), &[json!(found)]).await?;
    }
    browser.run(set, &[json!("#text"), json!("/later")]).await?;
    browser.until(&format!("{PATHS} === ''"), &[]).await?;
    stage.get("/later").await?;
    browser.until(&format!("{PATHS} === '/later'"), &[]).await?;
    browser.close().await
}

#[tokio::test]
async fn details_show_what_a_body_is() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let part = "--XX\r\nContent-Disposition: form-data; name=\"na\"\r\n\r\nvälue\r\n--XX\r\nContent-Disposition: form-data; name=\"up\"; filename=\"a.bin\"\r\n\r\n\x00\x01\r\n--XX--\r\n";
    stage
        .visit(
            "POST",
            "/form?q=1%2B1",
            &[("content-type", "application/x-www-form-urlencoded"), ("cookie", "k=v")],
            "a=b+c&d=%3Cb%3E",
        )
        .await?;
    stage.visit("POST", "/multipart", &[("content-type", "multipart/form-data; boundary=XX")], part).await?;
    for target in ["/pixel", "/evil-json", "/packed", "/binary"] {
        stage.get(target).await?;
    }
    let browser = open(&stage).await?;
    show(&browser, "/form?q=1%2B1").await?;
    let details = text(&browser, "#details").await?;
    for word in ["1+1", "b c", "<b>", "forwarder", "service", "127.0.0.1"] {
        assert!(details.contains(word), "{word}: {details}");
    }
    show(&browser, "/multipart").await?;
    let form = text(&browser, "#details .body[data-side=request] .view").await?;
    assert!(form.contains("navälue") && form.contains("file a.bin, 2 B"), "{form}");
    show(&browser, "/pixel").await?;
    browser.until(&format!("return document.querySelector('{ANSWER} img')?.naturalWidth === 1"), &[]).await?;
    show(&browser, "/packed").await?;
    assert_eq!(text(&browser, &format!("{ANSWER} pre")).await?, "{\n  \"hidden\": \"in gzip\"\n}");
    show(&browser, "/binary").await?;
    assert!(text(&browser, &format!("{ANSWER} pre.hex")).await?.starts_with("00000000  00 01 02 03"));
    show(&browser, "/evil-json").await?;
    let json = text(&browser, &format!("{ANSWER} pre.json")).await?;
    assert!(json.contains("12345678901234567890") && json.contains("1.5e+300") && json.lines().count() == 7, "{json}");
    let find = format!(
        "const field = document.querySelector('{ANSWER} input.find'); field.value = 'PWNED';
        field.dispatchEvent(new Event('input')); return document.querySelectorAll('{ANSWER} mark').length"
    );
    assert_eq!(browser.run(&find, &[]).await?, json!(4));
    browser.close().await
}

#[tokio::test]
async fn hostile_bodies_stay_text() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let evil = "<img src=x onerror=\"document.title='pwned'\">";
    let encoded = "/%3Cscript%3Ealert(1)%3C/script%3E?q=<b>";
    stage.visit("POST", "/evil", &[("x-evil", evil), ("cookie", &format!("c={evil}"))], evil).await?;
    stage.get("/%3Cscript%3Ealert(1)%3C/script%3E?q=%3Cb%3E").await?;
    for target in ["/evil-json", "/invalid", "/huge", "/bomb"] {
        stage.get(target).await?;
    }
    let browser = open(&stage).await?;
    browser
        .run(
            "window.addEventListener('error', (event) => (window.failed = String(event.message)));
        document.addEventListener('securitypolicyviolation', (event) => (window.failed = event.violatedDirective))",
            &[],
        )
        .await?;
    for target in ["/evil", "/evil-json", "/invalid", "/huge", "/bomb", &encoded.replace("<b>", "%3Cb%3E")] {
        show(&browser, target).await?;
        let views = browser
            .run(
                &format!(
                    "return [...document.querySelectorAll('{ANSWER} .choice button')].map((one) => one.textContent)"
                ),
                &[],
            )
            .await?;
        for view in views.as_array().context("views")? {
            click(&browser, &format!("{ANSWER} .choice button"), view.as_str().unwrap_or_default()).await?;
        }
    }
    show(&browser, "/evil").await?;
    let state = browser.run("return [document.title, window.failed ?? null, document.querySelectorAll('#details script, #details img').length]", &[]).await?;
    assert!(state[0].as_str().is_some_and(|title| title.starts_with("Inspector")), "{state}");
    assert_eq!((&state[1], &state[2]), (&Value::Null, &json!(0)));
    assert!(text(&browser, &format!("{ANSWER} pre")).await?.contains("<script>document.title='pwned'</script>"));
    show(&browser, "/invalid").await?;
    assert!(text(&browser, &format!("{ANSWER} pre.hex")).await?.contains("ff fe 00"));
    show(&browser, "/huge").await?;
    assert!(text(&browser, ANSWER).await?.contains("only the first 1.05 MB were kept"));
    show(&browser, "/bomb").await?;
    assert!(text(&browser, ANSWER).await?.contains("only the first 4.19 MB are shown"));
    browser.close().await
}

#[tokio::test]
async fn a_replay_stands_beside_what_was() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.get("/counted").await?;
    stage.visit("POST", "/edit", &[("content-type", "text/plain")], "old").await?;
    let browser = open(&stage).await?;
    show(&browser, "/counted").await?;
    click(&browser, "#replay", "Replay").await?;
    browser.until("return document.querySelector('#outcome .diff .gone') !== null", &[]).await?;
    picture(&browser, "inspector-replay.png").await?;
    let gone = text(&browser, "#outcome .diff tbody").await?;
    assert!(gone.contains("\"n\": 0,") && gone.contains("\"n\": 2,"), "{gone}");
    assert_eq!(browser.run("return document.querySelectorAll('#rows tr').length", &[]).await?, json!(3));
    show(&browser, "/edit").await?;
    press(&browser, "e").await?;
    browser.until("return document.querySelector('form.editor') !== null", &[]).await?;
    browser.run("const form = document.querySelector('form.editor'); form.target.value = '/edited'; form.body.value = 'new';
        form.times.value = '2'; form.requestSubmit()", &[]).await?;
    browser.until("return document.querySelectorAll('#outcome .replays li').length === 2", &[]).await?;
    browser.until("return document.querySelector('#outcome .diff .come') !== null", &[]).await?;
    let diff = text(&browser, "#outcome .diff").await?;
    assert!(diff.contains("\"target\": \"/edited\"") && diff.contains("\"body\": \"bmV3\""), "{diff}");
    browser.close().await
}

#[tokio::test]
async fn the_keyboard_does_it_all() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    for target in ["/a", "/b", "/c"] {
        stage.visit("POST", target, &[], "it's").await?;
    }
    let browser = open(&stage).await?;
    browser.until("return document.querySelectorAll('#rows tr').length === 3", &[]).await?;
    let shown = "return document.querySelector('#details .target')?.textContent === arguments[0]
        && document.querySelector('#rows tr[aria-selected=true] .path').title === arguments[0]
        && document.activeElement === document.querySelector('#rows tr[aria-selected=true]')";
    browser.run("document.querySelector('#rows tr[tabindex=\"0\"]').focus()", &[]).await?;
    for (key, target) in [("Enter", "/c"), ("ArrowDown", "/b"), ("ArrowUp", "/c")] {
        press(&browser, key).await?;
        browser.until(shown, &[json!(target)]).await?;
    }
    for (key, target) in [("k", "/c"), ("j", "/b"), ("j", "/a"), ("j", "/a"), ("k", "/b")] {
        press(&browser, key).await?;
        browser.until(shown, &[json!(target)]).await?;
    }
    browser.until("return !document.querySelector('#details').textContent.includes('reading …')", &[]).await?;
    press(&browser, "r").await?;
    browser.until("return document.querySelector('#outcome .diff') !== null", &[]).await?;
    browser
        .run("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }", &[])
        .await?;
    press(&browser, "c").await?;
    browser.until("return window.copied?.includes(\"--data-raw 'it'\\\\''s'\")", &[]).await?;
    browser.run("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))", &[]).await?;
    press(&browser, "c").await?;
    browser.until("return document.querySelector('#copy[open] textarea')?.value.startsWith('curl ')", &[]).await?;
    browser.run("document.querySelector('#copy').close()", &[]).await?;
    press(&browser, "/").await?;
    browser.until("return document.activeElement.id === 'text'", &[]).await?;
    press(&browser, "j").await?;
    press(&browser, "Escape").await?;
    press(&browser, "?").await?;
    browser.until("return document.querySelector('#keys').open", &[]).await?;
    browser.run("document.querySelector('#keys').close()", &[]).await?;
    press(&browser, "Escape").await?;
    browser.until("return document.querySelector('#details').hidden", &[]).await?;
    browser.close().await
}

#[tokio::test]
async fn sockets_and_streams_are_shown_as_they_come() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let browser = open(&stage).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(
        format!("ws://{}/socket", stage.public),
        TcpStream::connect(stage.public).await?,
    )
    .await?;
    socket.send(Message::text("one <i>")).await?;
    socket.next().await.context("an answer")??;
    show(&browser, "/socket").await?;
    let messages = "return [...document.querySelectorAll('#messages pre')].map((one) => one.textContent).join('|') === arguments[0]";
    browser.until(messages, &[json!("one <i>|one <i>")]).await?;
    socket.send(Message::binary(vec![0, 255])).await?;
    browser.until(messages, &[json!("one <i>|one <i>|00 ff|00 ff")]).await?;
    socket.close(None).await?;
    while let Some(Ok(_)) = timeout(PATIENCE, socket.next()).await? {}
    browser.until("return document.querySelector('#messages').textContent.includes('closed with 1005')", &[]).await?;
    let mut stream = TcpStream::connect(stage.public).await?;
    let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", stage.public);
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await?;
    show(&browser, "/events").await?;
    let events = format!(
        "return document.querySelector('{ANSWER} table.events')?.textContent.includes('tick (3)number 3\\n<b>3</b>')"
    );
    browser.until(&events, &[]).await?;
    drop(stream);
    browser.until("return document.querySelector('#details').textContent.includes('Cut short')", &[]).await?;
    browser.close().await
}

#[tokio::test]
async fn files_go_out_and_come_in() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.visit("POST", "/kept", &[], "body").await?;
    let browser = open(&stage).await?;
    show(&browser, "/kept").await?;
    let fetch = "return fetch(document.querySelector(arguments[0]).href).then((answer) => answer.json())";
    let all = browser.run(fetch, &[json!("#export")]).await?;
    let one = browser.run(fetch, &[json!(".actions a")]).await?;
    assert_eq!(all["log"]["entries"], one["log"]["entries"]);
    let import = "const files = new DataTransfer(); files.items.add(new File([arguments[0]], 'some.har'));
        const field = document.querySelector('#file'); field.files = files.files; field.dispatchEvent(new Event('change'))";
    browser.run(import, &[json!(all.to_string())]).await?;
    browser.until("return document.querySelectorAll('#rows tr').length === 2", &[]).await?;
    assert!(text(&browser, "#rows tr").await?.contains("imported"));
    browser.run(import, &[json!("no json")]).await?;
    browser.until("return document.querySelector('#toast').textContent === 'some.har is no JSON'", &[]).await?;
    browser
        .until(
            "document.querySelector('#clear').click(); return document.querySelectorAll('#rows tr').length === 0",
            &[],
        )
        .await?;
    browser.close().await
}

/// Contrast as WCAG 2.1 counts it, of every text that is shown, in both schemes; and nothing sticks out of a narrow screen.
#[tokio::test]
async fn it_is_readable_in_the_dark_and_on_a_phone() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let hook = "{\"id\":\"evt_1\",\"type\":\"invoice.paid\",\"data\":{\"amount\":1999,\"currency\":\"eur\"}}";
    let lines = [("content-type", "application/json"), ("user-agent", "Stripe/1.0"), ("stripe-signature", "t=1,v1=0")];
    for target in ["/orders?page=2", "/status/500", "/pixel", "/cookies"] {
        stage.get(target).await?;
    }
    stage.visit("POST", "/webhooks/stripe", &lines, hook).await?;
    let browser = open(&stage).await?;
    let contrast = "
        const parse = (color) => color.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = (one) => { for (; one; one = one.parentElement) { const color = parse(getComputedStyle(one).backgroundColor); if (color[3] !== 0) return color; } return [255, 255, 255]; };
        const weak = [];
        for (const one of document.querySelectorAll('body *')) {
            if (!one.checkVisibility() || ![...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
            const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) weak.push([one.outerHTML.slice(0, 80), ratio]);
        }
        return [matchMedia('(prefers-color-scheme: dark)').matches, getComputedStyle(document.body).backgroundColor, weak]";
    for (scheme, dark) in [("light", false), ("dark", true)] {
        browser
            .emulate(
                "Emulation.setEmulatedMedia",
                &json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
            )
            .await?;
        show(&browser, "/webhooks/stripe").await?;
        // Colours change over a moment.
        browser
            .run("return Promise.all(document.getAnimations().map((one) => one.finished)).then(() => true)", &[])
            .await?;
        let found = browser.run(contrast, &[]).await?;
        assert_eq!((&found[0], &found[2]), (&json!(dark), &json!([])), "{scheme}");
        picture(&browser, &format!("inspector-{scheme}.png")).await?;
    }
    let phone = json!({ "width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true });
    browser.emulate("Emulation.setDeviceMetricsOverride", &phone).await?;
    let fits = "return document.documentElement.scrollWidth <= innerWidth && !document.querySelector('#list').checkVisibility()";
    browser.until(fits, &[]).await?;
    picture(&browser, "inspector-phone.png").await?;
    click(&browser, "#close", "Close").await?;
    browser.until("return document.querySelector('#list').checkVisibility() && document.documentElement.scrollWidth <= innerWidth", &[]).await?;
    browser.close().await
}

/// What a screen reader is told: everything that can be used has a name, and landmarks are there.
#[tokio::test]
async fn everything_has_a_name() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.get("/named").await?;
    let browser = open(&stage).await?;
    show(&browser, "/named").await?;
    press(&browser, "e").await?;
    browser.until("return document.querySelector('form.editor') !== null", &[]).await?;
    let nameless = "return [...document.querySelectorAll('button, a[href], input, select, textarea, summary, img')]
        .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.alt || one.labels?.length))
        .map((one) => one.outerHTML)";
    assert_eq!(browser.run(nameless, &[]).await?, json!([]));
    let landmarks = "return ['header', 'main', '[role=search]', '[role=status]', 'h1', 'html[lang]', 'th[scope]'].filter((one) => !document.querySelector(one))";
    assert_eq!(browser.run(landmarks, &[]).await?, json!([]));
    browser.close().await
}
