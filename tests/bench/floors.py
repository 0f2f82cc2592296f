"""What others do on the same machine with the same mock: nginx as a bare proxy, and Portkey's gateway.
Each is added to a running private system and ends with it."""
import http.client
import json
import shutil
import subprocess

from system import wait_for

PORTKEY = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": "1.15.2"},
    "overrides": {"hono": "4.9.7", "@hono/node-server": "1.13.5", "@hono/node-ws": "1.2.0"},
}
INSTALL_S = 300
NGINX = """
daemon off; master_process off; error_log {folder}/error.log warn; pid {folder}/pid;
events {{ worker_connections 8192; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream mock {{ server 127.0.0.1:{mock}; keepalive 2048; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


def listens(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v1/models")
        return bool(connection.getresponse().read() or True)
    except OSError:
        return False
    finally:
        connection.close()


def add_nginx(system, port, mock):
    folder = system.data / "nginx"
    folder.mkdir()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, mock=mock))
    system.add("nginx", ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
    wait_for(lambda: listens(port), "nginx")


def portkey_program(folder):
    """Its program, installed into a folder of the build where it is not there yet."""
    program = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
    if not program.exists():
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text(json.dumps(PORTKEY))
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder,
                       capture_output=True, timeout=INSTALL_S, check=True)
    return program


def add_portkey(system, folder, port):
    """None, or in plain words why it is not there."""
    if not shutil.which("npm"):
        return "npm is not installed"
    try:
        program = portkey_program(folder)
    except (OSError, subprocess.SubprocessError) as error:
        return f"npm could not install it: {error}"
    system.add("portkey", ["node", program, f"--port={port}", "--headless"])
    wait_for(lambda: listens(port), "Portkey")
    return None


def portkey_header(mock):
    return (f"x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:{mock}/v1\r\n"
            "Authorization: Bearer none")
