"""A Flask app with a stream of events, each sent only after the test has asked for it by POST /next.

A stream ends after three events; a browser that comes back is sent those after the last it saw. The app prints its port.
"""

import queue

from flask import Flask, Response, request

app = Flask(__name__)
wanted = queue.Queue()

PAGE = """<!doctype html>
<title>Events</title>
<script>
  window.events = [];
  const source = new EventSource("/events");
  source.onmessage = ({ data, lastEventId }) => events.push(`${lastEventId}: ${data}`);
</script>
"""


@app.get("/")
def page():
    return PAGE


@app.get("/events")
def events():
    first = int(request.headers.get("Last-Event-ID", 0)) + 1

    def stream():
        yield "retry: 10\n\n"
        for number in range(first, first + 3):
            yield f"id: {number}\ndata: {wanted.get()}\n\n"

    return Response(stream(), mimetype="text/event-stream")


@app.post("/next")
def next_event():
    wanted.put(request.get_data(as_text=True))
    return "", 204


if __name__ == "__main__":
    app.run(port=0, threaded=True)
