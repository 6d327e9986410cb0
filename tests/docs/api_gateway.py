"""An HTTP API in front of Lambda functions, for tests: `python api_gateway.py lambda_app --port 8760`.

It makes events of payload format 2.0 as API Gateway does: the path decoded, the fields of the
header joined and their names in lower case, each body in base64.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class Gateway(BaseHTTPRequestHandler):
    routes: Any

    def event(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": unquote(path),
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {"http": {"method": self.command, "path": unquote(path)}, "stage": "$default"},
            "body": base64.b64encode(self.rfile.read(int(headers.get("content-length", 0)))).decode(),
            "isBase64Encoded": True,
        }

    def answer(self) -> None:
        function = self.routes.health if self.path == "/health" else self.routes.orders
        answer = function(self.event(), None)
        if "statusCode" not in answer:
            answer = {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(answer)}
        body = answer["body"].encode()
        self.send_response(answer["statusCode"])
        for name, value in {**answer["headers"], "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815


def main(module: str, port: int) -> None:
    Gateway.routes = importlib.import_module(module)
    with ThreadingHTTPServer(("127.0.0.1", port), Gateway) as server:
        print(f"running on {server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[3]))
