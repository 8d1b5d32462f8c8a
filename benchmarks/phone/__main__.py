"""`python -m benchmarks.phone RUN_DIR|FILE…`: serves a page that measures models on the phone that opens it."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.comparing import ROUNDS
from benchmarks.measuring import LENGTHS
from benchmarks.phone import adb as android
from benchmarks.phone.addresses import LOOPBACK, bound, certificate, own_address, qr
from benchmarks.phone.candidates import candidates
from benchmarks.phone.given import Given
from benchmarks.phone.laptop import laptop
from benchmarks.phone.plan import Plan
from benchmarks.phone.results import check_folder, now
from benchmarks.phone.runtime import runtime
from benchmarks.phone.session import Session, serve
from benchmarks.phone.visits import Visits
from pocketbert import command
from pocketbert.errors import UserError

PORT = 8765
SECONDS = 60.0
OUT = Path("runs/phone")
FOLDER = "phone"

console = Console(soft_wrap=True, markup=False, highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def phone(
    paths: Annotated[list[Path], typer.Argument(help="A run's folder, one of students.export, or ONNX files.")],
    *,
    adb: Annotated[bool, typer.Option("--adb", help="A phone on a cable: find it, and open the page on it.")] = False,
    serial: Annotated[str | None, typer.Option(help="Of several phones on cables, this one.")] = None,
    lan: Annotated[bool, typer.Option("--lan", help="Over the local network: https, and a QR code.")] = False,
    host: Annotated[str | None, typer.Option(help="Of several addresses of this machine, this one.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="To serve at; 0: any.")] = PORT,
    length: Annotated[list[int] | None, typer.Option(help="Tokens a text; may be repeated.")] = None,
    batch: Annotated[int, typer.Option(help="Texts a call.")] = 1,
    threads: Annotated[list[int] | None, typer.Option(help="May be repeated; default: the phone's, up to 4.")] = None,
    rounds: Annotated[int, typer.Option(help="How often each file is visited.")] = ROUNDS,
    seconds: Annotated[float, typer.Option(min=0, help="Of measuring, about.")] = SECONDS,
    sustained: Annotated[int, typer.Option(help="Minutes to keep the last file busy afterwards.")] = 0,
    webgpu: Annotated[bool, typer.Option("--webgpu", help="On the GPU; files must pass their check there.")] = False,
    isolated: Annotated[bool, typer.Option("--isolated/--not-isolated", help="Give the page threads.")] = True,
    here: Annotated[bool, typer.Option("--laptop/--no-laptop", help="Measure on this machine, too.")] = True,
    once: Annotated[bool, typer.Option("--once", help="End with the first whole result.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; default: phone in the run's.")] = None,
) -> None:
    """Measure models on a phone, in its browser, and report what it found.

    Without --adb or --lan the page is at this machine's own localhost.
    """
    provider = "webgpu" if webgpu else "wasm"
    plan = Plan(tuple(length or LENGTHS), batch, tuple(threads or ()), rounds, seconds, sustained, provider)
    plan.check()
    if adb and lan:
        raise UserError("--adb and --lan are two ways to one phone: give one of them.")
    if (serial and not adb) or (host and not lan):
        raise UserError("--serial goes with --adb, and --host with --lan.")
    address = own_address(host) if lan else LOOPBACK
    attached = android.find(serial) if adb else None
    files = candidates(paths, plan.lengths, batch)
    folder = out or (paths[0] / FOLDER if paths[0].is_dir() else OUT)
    check_folder(folder)
    with ExitStack() as stack:
        listening = stack.enter_context(bound(address, port))
        port = listening.getsockname()[1]
        web = runtime(console.print)
        proof = certificate(address, Path(stack.enter_context(TemporaryDirectory()))) if lan else None
        beside = laptop(files, plan, folder, console) if here else None
        origin = f"https://{address}:{port}" if lan else f"http://localhost:{port}"

        def invite(token: str) -> None:
            page = f"{origin}/?token={token}"
            if lan:
                console.print(f"for the next phone:\n{qr(page)}")
            console.print(f"open {page} (good for one phone)")

        visits = Visits(invite, lambda: f"{now():%Y%m%d-%H%M%S}")
        invite(visits.token)
        if proof is not None:
            console.print(
                "the phone warns of a certificate that it does not know: it was made just now, with the SHA-256 "
                f"fingerprint\n{proof.fingerprint}\ngo on (Advanced, Proceed) if it shows this one."
            )
        if attached is not None:
            android.connect(attached, port)
            stack.callback(android.disconnect, attached, port)
            android.open_page(attached, f"{origin}/?token={visits.token}#start")
            console.print(f"opened on {attached.model or attached.serial}")
        session = Session(folder, title_of(paths[0]), Given(files, plan, web.version), beside, console)
        session.write()
        served = session.served(web, {origin}, isolated=isolated)
        console.print("waiting for a phone; Ctrl-C ends this")
        serve(served, visits, session, listening, proof, once=once)
        session.farewell()


def title_of(path: Path) -> str:
    """Return what to call what is measured: the name of its folder or file, without where it lies."""
    return path.resolve().name or str(path)


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.phone")
