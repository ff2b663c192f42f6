"""TLS 1.3, with one certificate for all: handshakes, echo, HTTPS."""
from plan import AtMost, Server, Work, perigee
from works_http import FILES, NGINX, NGINX_VERSION

BARE = "{build}/bench/yardstick_tls"
PAIR = "{build}/bench/tls/localhost"        # made by the Makefile
ADDRESS = "://127.0.0.1:{port}?certificate=" + PAIR + ".crt"     # the key is beside it


def bare(id, what):
    return Server(id, "bare C OpenSSL", (BARE, what, PAIR + ".crt", PAIR + ".key", "{port}"), built=BARE)


SERVERS = (
    bare("bare-tls", "echo"),
    bare("bare-https", "hello"),
    perigee("perigee-tls", "Perigee, strings", "echo", "listen=tls" + ADDRESS),
    perigee("perigee-tls_buffer", "Perigee, buffers", "echo_buffer", "listen=tls" + ADDRESS),
    perigee("perigee-https", "Perigee", "http", "listen=https" + ADDRESS, "files=" + FILES),
    Server("nginx-https", "nginx + Lua", (*NGINX, PAIR), NGINX_VERSION),
)

HTTPS_SERVERS = ("bare-https", "perigee-https", "nginx-https")


def handshakes(id, title, *options):
    """Each is a connection with one request that the server then ends; 16 are under way."""
    load = ("{build}/bench/load_tls_handshake", *options, "-t", "{milliseconds}", "/hello", "{port}")
    return Work(id, title, "cpu", load, HTTPS_SERVERS, load, {"perigee-https": AtMost(1 / 0.95, "nginx-https")},
                yardstick="bare-https")


def echo(id, title, targets):
    load = ("{build}/bench/load_echo", "-T", "-c", "16", "-s", "65536", "-t", "{milliseconds}", "{port}")
    return Work(id, title, "cpu", load, ("bare-tls", *targets), load, targets, yardstick="bare-tls")


def hello(id, title):
    load = ("{build}/bench/load_http", "-T", "-c", "64", "-t", "{milliseconds}", "/hello", "{port}")
    return Work(id, title, "cpu", load, HTTPS_SERVERS, load, {"perigee-https": AtMost(1.0, "nginx-https")},
                yardstick="bare-https")


WORKS = (
    handshakes("tls-handshake", "TLS handshake and one request"),
    handshakes("tls-resumed", "TLS handshake, resumed, and one request", "-r"),
    echo("tls-echo", "TLS echo 64 KiB x 16",
         {"perigee-tls": AtMost(1.1, "bare-tls"), "perigee-tls_buffer": AtMost(1.1, "bare-tls")}),
    hello("https-hello", "HTTPS hello x 64"),
)
