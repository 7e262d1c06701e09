"""Serves pages of SAP-like open items from memory: ``python -m bench.page_server ROWS``.

It prints its port and serves until its input closes. ``/first/N/sap/opu/odata/…`` shows the first N
rows of any set. Pages are made once, so that serving costs little of the shared machine. A row has
all fields that the product asks of the accounting item cube and 1.3 KB; names alone are 0.9 KB.
"""

import asyncio
import re
import sys
from pathlib import Path
from random import Random
from typing import cast

import uvloop

PAGE_ROWS = 5000
_DAY_MILLISECONDS = 86_400_000
_EPOCH_2020 = 1_577_836_800_000
_ROW = (
    b'{"CompanyCode":"%b","FiscalYear":"2020","AccountingDocument":"%010d",'
    b'"AccountingDocumentItem":"001","FinancialAccountType":"D","GLAccount":"12100000",'
    b'"Customer":"%010d","DebitCreditCode":"S","PostingKey":"01","SpecialGLCode":"",'
    b'"AccountingDocumentType":"RV","PostingDate":"/Date(%d)/","DocumentDate":"/Date(%d)/",'
    b'"NetDueDate":"/Date(%d)/","DueCalculationBaseDate":"/Date(%d)/","PaymentTerms":"NA30",'
    b'"PaymentBlockingReason":"","PaymentReference":"","DocumentReferenceID":"%010d",'
    b'"AssignmentReference":"","DocumentItemText":"%b","Reference1IDByBusinessPartner":"",'
    b'"Reference2IDByBusinessPartner":"","Reference3IDByBusinessPartner":"","InvoiceReference":"",'
    b'"InvoiceReferenceFiscalYear":"","InvoiceItemReference":"000","BillingDocument":"%010d",'
    b'"SalesDocument":"","ClearingDate":%b,"ClearingCreationDate":%b,'
    b'"ClearingAccountingDocument":"%b","ClearingDocFiscalYear":"%b","IsCleared":%b,'
    b'"ClearingIsReversed":false,"CompanyCodeCurrency":"USD","AmountInCompanyCodeCurrency":"%b",'
    b'"TransactionCurrency":"USD","AmountInTransactionCurrency":"%b","DunningLevel":"0",'
    b'"DunningBlockingReason":"","ReverseDocument":"","IsReversal":false,"IsReversed":false,'
    b'"LastChangeDate":"/Date(%d)/","AccountingDocumentCreationDate":"/Date(%d)/"}'
)
_COMPANIES = (b"U001", b"U002", b"U005", b"U007", b"U013")


def row(number: int, random: Random) -> bytes:
    """One open or cleared item; the same number and seed give the same bytes."""
    posted = _EPOCH_2020 + _DAY_MILLISECONDS * random.randrange(700)
    due = posted + _DAY_MILLISECONDS * random.choice((15, 30, 45, 60))
    is_cleared = random.random() < 0.5
    cleared = posted + _DAY_MILLISECONDS * random.randrange(1, 90)
    amount = b"%d.%02d" % divmod(random.randrange(100, 10_000_000), 100)
    date = b'"/Date(%d)/"' % cleared if is_cleared else b"null"
    return _ROW % (
        _COMPANIES[number % 5],
        1_800_000_000 + number,
        140_100_000 + int(20_000 * random.random() ** 2),
        posted,
        posted,
        due,
        posted,
        1_930_000_000 + number,
        b"Invoice %d" % (1_930_000_000 + number) if number % 7 == 0 else b"",
        9_000_000_000 % 10**10 + number,
        date,
        date,
        b"%010d" % (1_400_000_000 + number) if is_cleared else b"",
        b"2020" if is_cleared else b"0000",
        b"true" if is_cleared else b"false",
        amount,
        amount,
        cleared if is_cleared else posted,
        posted,
    )


def make_pages(rows: int) -> list[bytes]:
    """The rows of each page, joined by commas."""
    random = Random(7)
    return [
        b",".join(row(number, random) for number in range(start, min(start + PAGE_ROWS, rows)))
        for start in range(0, rows, PAGE_ROWS)
    ]


def document(pages: list[bytes], number: int, shown: int, link: bytes) -> list[bytes]:
    """One page as the pieces of its JSON. ``shown`` is how many pages there are."""
    tail = b'],"__next":"%b"}}' % link if number + 1 < shown else b"]}}"
    return [b'{"d":{"results":[', pages[number], tail]


def write_pages(rows: int, wrapped: Path, bare: Path) -> None:
    """The same pages as files, for peers that read no HTTP: as served, and as bare arrays."""
    pages = make_pages(rows)
    for number, content in enumerate(pages):
        link = b"http://127.0.0.1/A?$skiptoken=%d" % (number + 1)
        served = b"".join(document(pages, number, len(pages), link))
        (wrapped / f"{number:04d}.json").write_bytes(served)
        (bare / f"{number:04d}.json").write_bytes(b"[%b]" % content)


class _Server(asyncio.Protocol):
    """Just enough HTTP/1.1: requests without a body, answers with a length."""

    def __init__(self, pages: list[bytes], port: int) -> None:
        self._pages = pages
        self._port = port
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is none of asyncio's own classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            target = self._waiting.split(b" ", 2)[1].decode()
            self._waiting = self._waiting[end + 4 :]
            self._answer(target)

    def _answer(self, target: str) -> None:
        asked = re.match(r"/first/(\d+)(/[^?]*)", target)
        token = re.search(r"skiptoken=(\d+)", target)
        assert asked is not None, target
        shown = -(-int(asked.group(1)) // PAGE_ROWS)
        number = int(token.group(1)) if token else 0
        path = f"/first/{asked.group(1)}{asked.group(2)}"
        link = f"http://127.0.0.1:{self._port}{path}?$skiptoken={number + 1}".encode()
        pieces = document(self._pages, number, shown, link)
        length = sum(len(piece) for piece in pieces)
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        self._transport.writelines([head.encode(), *pieces])


async def serve(rows: int) -> None:
    """Serve until the input closes."""
    pages = make_pages(rows)
    loop = asyncio.get_running_loop()
    ports: list[int] = []
    server = await loop.create_server(lambda: _Server(pages, ports[0]), "127.0.0.1", 0)
    ports.append(server.sockets[0].getsockname()[1])
    print(ports[0], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
