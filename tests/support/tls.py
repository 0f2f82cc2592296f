"""A certificate of a test's own, and nginx as a TLS server with HTTP/2 before a scripted provider."""
import pathlib
import shutil
import subprocess
import tempfile

from system import end_with_parent, free_ports, is_free, wait_for

STOP_S = 30
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    log_format of_tests '$connection $server_protocol $status';
    access_log {folder}/access.log of_tests;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl{http2};
        ssl_certificate {certificate}; ssl_certificate_key {key};
        location / {{
            proxy_pass http://127.0.0.1:{provider};
            proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
        }}
    }}
}}
"""


def make_certificate(folder, subject="IP:127.0.0.1"):
    """A certificate that signed itself, and its key, in a new folder: two paths."""
    folder.mkdir()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=test", "-addext", f"subjectAltName={subject}",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


class TlsFront:
    """nginx on a free port; `url` as OpenAI's interface has it."""

    def __init__(self, provider, certificate, key, http2=True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tls-front."))
        self.port = free_ports(1)
        (self.folder / "nginx.conf").write_text(NGINX.format(
            folder=self.folder, port=self.port, http2=" http2" if http2 else "",
            certificate=certificate, key=key, provider=provider.port))

    def __enter__(self):
        self.process = subprocess.Popen(
            ["nginx", "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log"],
            preexec_fn=end_with_parent, stderr=subprocess.DEVNULL)
        wait_for(lambda: not is_free(self.port), "nginx")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(STOP_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}/v1"

    def requests(self):
        """(connection, protocol, status) of each request that has ended."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [tuple(line.split()) for line in lines]
