// The socket is beside the page, wherever that is: another host, https, or under a path.
const url = new URL("socket", location.href);
url.protocol = location.protocol === "https:" ? "wss:" : "ws:";

const LONGEST_PAUSE = 8000;
const form = document.querySelector("form");
const { name: who, text } = form.elements;
const button = form.querySelector("button");
let socket, pause = 250;

function status(words) {
  document.getElementById("status").textContent = words;
}

// Text is only ever set as text: markup in it is shown, not understood.
function show({ name, text }) {
  const line = document.createElement("li");
  const speaker = document.createElement("strong");
  speaker.textContent = name;
  line.append(speaker, ": ", text);
  document.getElementById("messages").append(line);
  line.scrollIntoView({ block: "nearest" });
}

function connect() {
  socket = new WebSocket(url);
  socket.addEventListener("open", () => {
    pause = 250;
    button.disabled = false;
  });
  socket.addEventListener("message", ({ data }) => {
    const event = JSON.parse(data);
    if (event.people) status(event.people === 1 ? "you are alone" : `${event.people} people are here`);
    else if (event.error) status(event.error);
    else show(event);
  });
  // Also after an attempt that failed: the service or the tunnel will be back.
  socket.addEventListener("close", () => {
    button.disabled = true;
    status("connecting again");
    setTimeout(connect, pause * (0.5 + Math.random()));
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ name: who.value, text: text.value }));
  text.value = "";
});
connect();
