"""What is refused, row by row or as a whole, and that nothing a file holds is a server error (fault-test X3)."""

import gzip
import random

import httpx
import pytest

from tests.imports.uploads import count, import_csv, make_csv, product, upload

REFUSED = {
    "empty": (b"", "empty"),
    "blank lines": (b"\n\r\n  \n", "empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "not_a_table"),
    "a letter": (b"Dear shop,\nplease find attached\n", "unknown_header"),
    "one word": (b"hello\n", "not_a_table"),
    "control characters": (b"\x01\x02\x03,\x04\n", "not_a_table"),
    "no sku": (b"code,title\nA,B\n", "unknown_header"),
    "only a sku": (b"sku,weather\nA,rain\n", "unknown_header"),
    "two names": (b"sku,name,title\nA,B,C\n", "unknown_header"),
    "a million columns": (b"sku,name," + b"x," * 1_000_000 + b"\n", "unknown_header"),
    "a damaged archive": (gzip.compress(b"sku,name\nA,B\n" * 5000)[:-20], "undecodable"),
    "no archive": (b"\x1f\x8bnonsense", "undecodable"),
    "a separator and nothing more": (b"sep=;\n", "empty"),
    "a separator and an open quote": (b'sep=;\n"sku;name\nA;B\n', "not_a_table"),
    "a zip": (b"PK\x03\x04....", "not_a_table"),
    "endless quotes": (b"sku,name\n" + b'A,"x\nB,y\n' * 300, "not_a_table"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_file_of_which_nothing_can_be_read_fails_with_a_reason(staff: httpx.AsyncClient, case: str) -> None:
    content, reason = REFUSED[case]
    job = await import_csv(staff, content)
    assert (job["status"], job["failure_reason"]) == ("failed", reason)
    assert job["failure_detail"]
    assert await count("product") == 0


async def test_a_header_without_rows_completes_with_a_warning(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, "sku,name,price\n")
    assert (job["status"], job["total_rows"], len(job["warnings"])) == ("completed", 0, 1)


BAD_CELLS = [
    ("price", "abc", "price is not a number"),
    ("price", "NaN", "price is not a number"),
    ("price", "Infinity", "price is not a number"),
    ("price", "1e400", "price is not a number"),
    ("price", "1_000", "price is not a number"),
    ("price", "\uff11\uff12", "price is not a number"),
    ("price", "1,200.00", "price is not a number"),
    ("price", "-1.00", "price must not be negative"),
    ("price", "1.005", "price has more than two decimals"),
    ("price", "99999999999.99", "price is too large"),
    ("price", "9" * 5000, "price is too large"),
    ("inventory_quantity", "-5", "inventory_quantity must not be negative"),
    ("inventory_quantity", "4.5", "inventory_quantity is not a whole number"),
    ("inventory_quantity", "2147483648", "inventory_quantity is too large"),
    ("inventory_quantity", "9" * 5000, "inventory_quantity is too large"),
    ("is_active", "maybe", "is_active is neither yes nor no"),
    ("currency", "euro", "currency is not a currency code of three letters"),
    ("expiry_on", "2026-02-30", "expiry_on is not a date like 2026-12-31"),
    ("link", "javascript:alert(1)", "link is not a web address (http or https, at most 2000 characters)"),
    ("options", '{"a": 1}', 'options is not a JSON object of texts, like {"Size": "M"}'),
    ("attributes", "[1]", "attributes is not a JSON object"),
    ("brand", "x" * 256, "brand is longer than 255 characters"),
    ("name", "x" * 501, "name is longer than 500 characters"),
    ("description", "nul\0here", "description contains a NUL character"),
    ("sku", " ", "sku is missing"),
    ("sku", "A\nB", "sku contains control characters"),
    ("sku", "x" * 101, "sku is longer than 100 characters"),
]


@pytest.mark.parametrize(("column", "cell", "message"), BAD_CELLS)
async def test_a_bad_cell_is_reported_and_the_other_rows_go_in(
    staff: httpx.AsyncClient, column: str, cell: str, message: str
) -> None:
    names = ["sku", "name", column] if column not in ("sku", "name") else ["sku", "name", "price"]
    bad = {"sku": "BAD", "name": "Bad", "price": "1"} | {column: cell}
    good = {"sku": "GOOD", "name": "Good", "price": "1"}
    content = make_csv([bad[name] for name in names], [good.get(name, "") for name in names], header=",".join(names))
    job = await import_csv(staff, content)
    error = job["errors"][0]
    assert (job["created"], job["error_count"], error["row_number"]) == (1, 1, 1)
    assert (error["field"], error["message"]) == (column, message)
    assert (await product("GOOD"))["name"] == "Good"


@pytest.mark.parametrize(
    ("cell", "stored"), [("1.5", "1.50"), ("1.990", "1.99"), ("007.10", "7.10"), (".5", "0.50"), ("3.", "3.00")]
)
async def test_prices_that_are_exact_are_taken(staff: httpx.AsyncClient, cell: str, stored: str) -> None:
    await import_csv(staff, f"sku,name,price\nA,Anvil,{cell}\n")
    assert (await product("A"))["price"] == stored


async def test_a_number_of_five_thousand_zeros_is_still_a_number(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, make_csv(["A", "Anvil", "0" * 5000 + "5", "0" * 5000 + "7"]))
    anvil = await product("A")
    assert (anvil["price"], anvil["inventory_quantity"]) == ("5.00", 7)


async def test_a_mended_row_never_loses_the_end_of_a_long_cell(staff: httpx.AsyncClient) -> None:
    long = "word " * 4000
    await import_csv(staff, f"sku,name,description,price\nA,Anvil,{long},1\n")
    job = await import_csv(staff, f"sku,name,description,price\nA,Anvil,{long},abc\n")
    report = await staff.get(f"/api/jobs/{job['job_id']}/errors.csv")
    assert "left out here" in report.text
    await import_csv(staff, report.text.replace("abc", "2"))
    anvil = await product("A")
    assert (anvil["price"], len(anvil["description"])) == ("2.00", len(long))


async def test_long_rows_are_taken_in_small_chunks(staff: httpx.AsyncClient) -> None:
    """Eighty megabytes of a column that nobody knows, out of a small archive."""
    rows = "".join(f"S{number},Thing,{'x' * 1_000_000}\n" for number in range(80))
    job = await import_csv(staff, gzip.compress(f"sku,name,weather\n{rows}".encode(), 1))
    assert (job["status"], job["created"]) == ("completed", 80)


async def test_invalid_utf_8_spoils_its_row_only(staff: httpx.AsyncClient) -> None:
    content = "sku,name\nA,Größe\nB,Café\n".encode() + b"C,\xff\xfe\n" + "D,Ñandú\n".encode()
    job = await import_csv(staff, content)
    assert (job["created"], job["errors"][0]["message"]) == (3, "name contains bytes that cannot be read")


async def test_wrong_widths_are_reported_by_row(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, "sku,name,price\nA,Anvil\nB,Bellows,1,extra\nC,Crucible,2,,\n")
    assert [error["row_number"] for error in job["errors"]] == [1, 2]
    assert job["errors"][1]["message"] == "the row has 4 cells, the header has 3"
    assert job["errors"][1]["row"] == {"sku": "B", "name": "Bellows", "price": "1", "column 4": "extra"}


async def test_an_unclosed_quote_costs_its_row_and_no_other(staff: httpx.AsyncClient) -> None:
    rows = [f"S{number},Thing {number}" for number in range(2000)]
    rows[700] = 'S700,"never closed'
    job = await import_csv(staff, "\n".join(["sku,name", *rows]))
    assert (job["created"], [error["row_number"] for error in job["errors"]]) == (1999, [701])
    assert "quote" in job["errors"][0]["message"]


async def test_a_quote_in_the_middle_of_a_quoted_cell_is_reported(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, 'sku,name\nA,"6" nail"\nB,6" nail\n')
    assert (job["created"], job["error_count"], (await product("B"))["name"]) == (1, 1, '6" nail')


async def test_cells_of_200_kb_and_lines_of_megabytes(staff: httpx.AsyncClient) -> None:
    long, endless = "x" * 200_000, "y" * 6_000_000
    job = await import_csv(staff, f"sku,name,description\nA,Anvil,{long}\nB,Bellows,{endless}\nC,Crucible,z\n")
    assert (job["created"], [error["row_number"] for error in job["errors"]]) == (1, [1, 2])


async def test_formulas_come_back_as_they_were_exported(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, "sku,name,description\nA,'=1+1,'@home\nB,'plain,''=x\n")
    assert ((await product("A"))["name"], (await product("A"))["description"]) == ("=1+1", "@home")
    assert ((await product("B"))["name"], (await product("B"))["description"]) == ("'plain", "'=x")


async def test_a_value_that_only_the_database_refuses_stands_alone(staff: httpx.AsyncClient) -> None:
    """Seven hundred letters of four bytes each fit the column and not its index."""
    rng = random.Random(1)
    rows = [[f"S{number}", "Thing", "Tools"] for number in range(50)]
    rows[20][2] = "".join(chr(rng.randrange(0x20000, 0x2A000)) for _ in range(750))
    job = await import_csv(staff, make_csv(*rows, header="sku,name,product_type"))
    assert (job["status"], job["created"], job["error_count"]) == ("completed", 49, 1)
    assert (job["errors"][0]["row_number"], "refused" in job["errors"][0]["message"]) == (21, True)


class TestUploads:
    async def test_no_file(self, staff: httpx.AsyncClient) -> None:
        answer = await staff.post("/api/upload", files={"other": ("x.csv", b"x")})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "file")

    async def test_no_form(self, staff: httpx.AsyncClient) -> None:
        assert (await staff.post("/api/upload", json={"file": "x"})).status_code == 415

    @pytest.mark.parametrize(
        "body",
        [
            b"nonsense",
            b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 70_000 + b'"\r\n\r\nx\r\n--x--\r\n',
            b'--x\r\nContent-Disposition: form-data; name="format"\r\n\r\ncsv\r\n' * 60 + b"--x--\r\n",
        ],
        ids=["nonsense", "endless name", "too many fields"],
    )
    async def test_a_broken_form(self, staff: httpx.AsyncClient, body: bytes) -> None:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert (await staff.post("/api/upload", content=body, headers=headers)).status_code == 400

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("policy", "guess"),
            ("format", "pdf"),
            ("location", "nowhere"),
            ("mapping", "[1]"),
            ("mapping", '{"a": "no such column"}'),
            ("colour", "blue"),
            ("mapping", "x" * 70_000),
        ],
    )
    async def test_a_wrong_field_is_named(self, staff: httpx.AsyncClient, field: str, value: str) -> None:
        answer = await upload(staff, "sku,name\nA,B\n", **{field: value})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
        assert await count("import_job") == 0
