"""A WebDAV server over the folder given, open to everyone who reaches it; it prints its address."""

import sys

from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp

app = WsgiDAVApp(
    {
        "provider_mapping": {"/": sys.argv[1]},
        "property_manager": True,
        "simple_dc": {"user_mapping": {"*": True}},
        "verbose": 1,
    }
)
server = wsgi.Server(("127.0.0.1", 0), app)
server.prepare()
print("listening on", server.bind_addr[1], flush=True)
server.serve()
