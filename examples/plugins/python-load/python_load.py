"""python-load measures the load of the machine. It is a plugin of Vedette without its Go SDK, to port to other languages:
the first part is this plugin's own, the second is the contract of docs/plugins.md. ./build makes the program of it."""

import base64
import collections
import concurrent.futures
import datetime
import faulthandler
import json
import os
import signal
import sys
import threading
import time
import traceback

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import plugin_pb2 as pb  # made of sdk/wire/plugin.proto by ./build

# ---- What this plugin measures -------------------------------------------------------------------------------------

MANIFEST = {
    "name": "python-load", "version": "1.0.0", "doc": "Measures the load of the machine.",
    "protocols": [1], "roles": ["collector"],
    "config": {"attributes": [
        {"name": "file", "type": "path", "doc": "Where the load stands; by default /proc/loadavg."},
        {"name": "per_cpu", "type": "bool", "default": "false", "doc": "Divide the load by the number of processors."},
    ]},
    "measurements": [{"name": "load", "doc": "One point a tick.", "fields": [
        {"name": "load1", "type": "float", "doc": "tasks that run or wait, mean of the last minute"},
        {"name": "load5", "type": "float", "doc": "the same of five minutes"},
        {"name": "load15", "type": "float", "doc": "the same of a quarter of an hour"},
        {"name": "tasks", "type": "int", "doc": "all tasks, those that sleep included"},
    ]}],
    "commands": [{"name": "show", "doc": "Prints what it would measure now."}],
}


def check(config):
    """Yields what is wrong with the configuration, beyond what its schema says."""
    config["file"] = config.get("file") or "/proc/loadavg"
    try:
        open(config["file"]).close()
    except OSError as err:
        yield pb.Problem(path=["file"], summary=f"the load can not be read: {err}")


def collect(config, now):
    """Returns the points of one tick. A time is never left to the daemon: it is nanoseconds, UTC."""
    with open(config["file"]) as file:
        *loads, tasks, _ = file.read().split()
    cpus = os.cpu_count() if config["per_cpu"] else 1
    fields = [pb.Field(key=key, float=float(load) / cpus) for key, load in zip(("load1", "load5", "load15"), loads)]
    fields.append(pb.Field(key="tasks", int=int(tasks.split("/")[1])))
    return [pb.Point(measurement="load", time=now, fields=fields)]


def show():
    """The command of the manifest: `vedette plugin exec python-load -- show`. Returns the exit status, or an error."""
    config = {"per_cpu": False}
    if "VEDETTE_CONFIG_FD" in os.environ:  # there may be no block with a configuration
        with open(int(os.environ["VEDETTE_CONFIG_FD"])) as passed:
            config = json.load(passed)
    for problem in check(config):
        return problem.summary
    for point in collect(config, time.time_ns()):
        for field in point.fields:
            print(field.key, getattr(field, field.WhichOneof("value")))


# ---- The contract --------------------------------------------------------------------------------------------------

COOKIE = ("VEDETTE_PLUGIN", "b21a6d3e-vedette-monitor")
BEAT = 5.0  # seconds between signs of life; after 15 s without one the plugin counts as hung
GRACE = 1.0  # seconds that the plugin may live without its daemon
BATCH_POINTS = 1000
HEAD = 64  # bytes of a batch beside its points
OUTBOX = 10_000  # points that wait to be sent; when they are so many, emitting waits

LEVELS = ["trace", "debug", "info", "warn", "error"]
log_level = "info"


def log(level, message, **values):
    """Writes a line of JSON with hclog's keys; the daemon puts it into its log. One line an event, below 64 KiB."""
    if LEVELS.index(level) >= LEVELS.index(log_level):
        stamp = datetime.datetime.now().astimezone().isoformat()
        line = {"@level": level, "@message": message, "@timestamp": stamp, **values}
        os.write(2, (json.dumps(line) + "\n").encode())


class Session:
    """Runs the collector and sends what it emits, until the daemon says stop and has acknowledged everything."""

    def __init__(self, request, config):
        self.config = config
        self.interval = request.interval.ToTimedelta().total_seconds()
        self.splay = request.splay.ToTimedelta().total_seconds()
        self.timeout = request.timeout.ToTimedelta().total_seconds()
        self.window = max(1, request.window)
        self.batch_bytes = request.max_batch_bytes - HEAD
        self.changed = threading.Condition()  # guards what follows and tells of every change to it
        self.outbox = collections.deque()
        self.unacknowledged = set()  # sequence numbers of batches
        self.seq = 0
        self.stopping = self.collected = self.broken = False
        self.beat = pb.Beat()

    def run(self, controls):
        """Yields the batches of the session: gRPC sends each before it asks for the next."""
        threading.Thread(target=self.listen, args=(controls,), daemon=True).start()
        threading.Thread(target=self.tick, daemon=True).start()
        beat_due = time.monotonic() + BEAT
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.over() or self.may_send(), beat_due - time.monotonic())
                if self.over():
                    return
                batch = self.take() if self.may_send() else pb.Batch()
                if time.monotonic() >= beat_due:
                    # A beat may share a batch with points. Alone its batch has no number and is not acknowledged.
                    batch.beat.CopyFrom(self.beat)
                    beat_due = time.monotonic() + BEAT
            if batch.seq or batch.HasField("beat"):
                yield batch

    def over(self):
        return self.broken or self.collected and not self.outbox and not self.unacknowledged

    def may_send(self):
        return self.outbox and len(self.unacknowledged) < self.window

    def take(self):
        """Makes a batch of what waits, as far as it fits into a message."""
        self.seq += 1
        self.unacknowledged.add(self.seq)
        batch, size = pb.Batch(seq=self.seq), 0
        while self.outbox and len(batch.points) < BATCH_POINTS:
            size += self.outbox[0].ByteSize() + 6  # its tag and length
            if size > self.batch_bytes:
                break
            batch.points.append(self.outbox.popleft())
        self.changed.notify_all()  # there is room
        return batch

    def listen(self, controls):
        """Reads what the daemon says. Batches may be acknowledged in any order."""
        try:
            for control in controls:
                with self.changed:
                    if control.HasField("ack"):
                        self.unacknowledged.discard(control.ack.seq)
                        for refusal in control.ack.refused:
                            log("warn", "the daemon refused a point for good", reason=refusal.reason)
                    elif control.HasField("stop"):
                        self.stopping = True
                    self.changed.notify_all()
        except Exception as err:  # gRPC raises a bare Exception when the call is cancelled
            log("debug", "the session broke", error=str(err))
        with self.changed:
            self.stopping = self.broken = True
            self.changed.notify_all()

    def tick(self):
        """Collects at once, and then on a grid that does not drift, and that begins the splay later. What falls due
        meanwhile is skipped and counted."""
        start, n = time.monotonic(), 0
        while True:
            with self.changed:
                if self.changed.wait_for(lambda: self.stopping, start + n * self.interval + (n and self.splay) - time.monotonic()):
                    break
                now = time.time_ns()
                self.beat.last_tick = now
                self.beat.ticks += 1
            deadline = time.monotonic() + self.timeout
            try:
                for point in collect(self.config, now):
                    self.emit(point, deadline)
            except Exception:  # one bad tick does not cost the next ones
                log("error", "collection failed", error=traceback.format_exc())
            due = int(max(0, time.monotonic() - start - self.splay) / self.interval) + 1
            with self.changed:
                self.beat.skipped_ticks += due - n - 1
            n = due
        with self.changed:
            self.collected = True
            self.changed.notify_all()

    def emit(self, point, deadline):
        """Queues the point. While the daemon takes none this waits, for as long as the tick lasts: back-pressure."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.outbox) < OUTBOX or self.stopping, deadline - time.monotonic())
            if len(self.outbox) >= OUTBOX or point.ByteSize() + 6 > self.batch_bytes:
                self.beat.dropped_points += 1
                return
            self.outbox.append(point)
            self.beat.points += 1
            self.changed.notify_all()


class Plugin:
    """Answers the daemon's calls: Configure, then Session, then Shutdown."""

    request = config = None

    def configure(self, request, _):
        global log_level
        log_level = request.log_level if request.log_level in LEVELS else "info"
        config = json.loads(request.config)
        problems = list(check(config))
        if not problems:
            self.request, self.config = request, config
        return pb.ConfigureResponse(problems=problems)

    def session(self, controls, context):
        if self.request is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "Session was called before Configure")
        return Session(self.request, self.config).run(controls)


def serve():
    if "PLUGIN_CLIENT_CERT" not in os.environ:
        sys.exit("there is no PLUGIN_CLIENT_CERT: the daemon that starts this plugin is no Vedette")
    plugin = Plugin()
    # Room for a configuration with very many targets; gRPC's own limit is 4 MiB.
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 64 << 20)])

    def shutdown(_, __):
        server.stop(0.2)  # returns at once; the answer still goes out
        return b""

    def add(service, **methods):
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))

    add("vedette.plugin.v1.Plugin",
        Configure=grpc.unary_unary_rpc_method_handler(
            plugin.configure, pb.ConfigureRequest.FromString, pb.ConfigureResponse.SerializeToString),
        Session=grpc.stream_stream_rpc_method_handler(
            plugin.session, pb.Control.FromString, pb.Batch.SerializeToString))
    # Of go-plugin's own services the daemon needs only this one: it lets the plugin end by itself after the drain. What
    # else its client tries, the services plugin.GRPCStdio and plugin.GRPCBroker, may stay unimplemented.
    add("plugin.GRPCController", Shutdown=grpc.unary_unary_rpc_method_handler(shutdown))
    # Its health check is not called, but costs nothing: HealthCheckResponse{status: SERVING} is these two bytes.
    add("grpc.health.v1.Health", Check=grpc.unary_unary_rpc_method_handler(lambda _, __: b"\x08\x01"))

    key, certificate, der = make_certificate()
    address = os.path.join(os.environ["PLUGIN_UNIX_SOCKET_DIR"], "plugin")
    # Nobody but the daemon that started this process can prove to own the certificate that came in the environment.
    server.add_secure_port("unix:" + address, grpc.ssl_server_credentials(
        [(key, certificate)], os.environ["PLUGIN_CLIENT_CERT"].encode(), require_client_auth=True))
    server.start()
    # go-plugin's protocol 1, ours 1, where, how, and whom the daemon shall meet there. It wants no padding.
    print("1", "1", "unix", address, "grpc", base64.b64encode(der).decode().rstrip("="), sep="|", flush=True)
    server.wait_for_termination()
    os._exit(0)  # whatever else still runs


def make_certificate():
    """Returns a key and a certificate for this process alone, in PEM, and the certificate in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]), datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + datetime.timedelta(days=3650))
        # The daemon asks for this name, and trusts this certificate and no other.
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256()))
    pem = serialization.Encoding.PEM
    return (key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
            certificate.public_bytes(pem), certificate.public_bytes(serialization.Encoding.DER))


def die_with_daemon():
    """Ends this process and all that it started soon after the daemon, however that ended. The daemon holds the other
    end of standard input and never writes: the end of file is the sign. While it lives it alone says when to stop, so the
    signals that a terminal or a service manager sends to everybody do not keep the plugin from draining."""
    def watch():
        while os.read(0, 4096):
            pass
        time.sleep(GRACE)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, lambda *_: None)  # not SIG_IGN, which processes that are started would inherit
    # The daemon sends this before it kills a plugin that hangs: print where all threads are, and die.
    faulthandler.register(signal.SIGQUIT, all_threads=True, chain=True)
    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1:] == ["describe"]:
        print(json.dumps(MANIFEST, indent=2))
    elif sys.argv[1:3] == ["command", "show"]:
        sys.exit(show())
    elif os.environ.get(COOKIE[0]) != COOKIE[1]:
        sys.exit("python-load is a plugin of Vedette, which starts it for a block of its configuration.")
    else:
        die_with_daemon()
        serve()
