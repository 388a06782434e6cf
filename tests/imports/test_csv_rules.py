"""What a file may look like, and what becomes of its rows."""

import gzip

import httpx
import pytest

from piccolo_conf import execute, fetch
from tests.imports.uploads import assert_stock_is_true, count, import_csv, make_csv, product

BASIC = "sku,name,description,price,is_active\n"


async def test_rows_become_products_with_stock(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, make_csv(["A-1", "Anvil", "19.99", 7], ["B-2", "Bellows", "5", 0]))
    assert (job["status"], job["created"], job["error_count"], job["progress"]) == ("completed", 2, 0, 100)
    anvil = await product("a-1")
    assert (anvil["price"], anvil["inventory_quantity"], anvil["version"]) == ("19.99", 7, 1)
    await assert_stock_is_true()


async def test_the_same_file_again_changes_nothing(staff: httpx.AsyncClient) -> None:
    content = make_csv(["A-1", "Anvil", "19.99", 7], ["a-1", "Anvil", "20.00", 8], ["B-2", "Bellows", "5", 0])
    await import_csv(staff, content)
    events = await count("event", "topic LIKE 'product.%'")
    job = await import_csv(staff, content)
    assert (job["created"], job["updated"], job["unchanged"], job["duplicates"]) == (0, 0, 2, 1)
    assert await count("event", "topic LIKE 'product.%'") == events
    assert (await product("A-1"))["version"] == 1


async def test_the_last_row_of_a_sku_wins_whatever_its_case(staff: httpx.AsyncClient) -> None:
    content = "name,sku,description\nFirst,lay-raise,x\nOther,cup,y\nSecond,LAY-RAISE,z\nThird, Lay-Raise ,last\n"
    job = await import_csv(staff, content)
    assert (job["created"], job["duplicates"], await count("product")) == (2, 2, 2)
    assert (await product("lay-raise"))["name"] == "Third"


async def test_the_last_good_row_wins_over_a_bad_one_behind_it(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, make_csv(["A", "Anvil", "1.00", 1], ["A", "Anvil", "abc", 2]))
    assert (job["created"], job["error_count"]) == (1, 1)
    assert (await product("A"))["price"] == "1.00"


async def test_an_empty_cell_of_a_later_row_keeps_what_an_earlier_one_said(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, make_csv(["A", "Anvil", "3.00", 4], ["A", "", "5.00", ""]))
    anvil = await product("A")
    assert (anvil["name"], anvil["price"], anvil["inventory_quantity"]) == ("Anvil", "5.00", 4)


async def test_absent_columns_and_empty_cells_keep_what_is_stored(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, "sku,name,description,price,is_active,brand\nA,Anvil,heavy,9.50,false,Forge\n")
    await import_csv(staff, "sku,name,description\nA,Anvil II,\n")
    anvil = await product("A")
    assert (anvil["name"], anvil["description"], anvil["price"]) == ("Anvil II", "heavy", "9.50")
    assert (anvil["is_active"], anvil["brand"]) == (False, "Forge")


async def test_clear_empties_a_cell(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, "sku,name,description,brand,cost_price\nA,Anvil,heavy,Forge,4.00\n")
    await import_csv(staff, "sku,description,brand,cost_price\nA,<clear>,<clear>,<clear>\n")
    anvil = await product("A")
    assert (anvil["description"], anvil["brand"], anvil["cost_price"]) == ("", None, None)


async def test_what_must_be_there_cannot_be_cleared(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, "sku,name,price\nA,Anvil,<clear>\nB,<clear>,1\n")
    assert [error["message"] for error in job["errors"]] == ["price cannot be cleared", "name cannot be cleared"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_delimiters(staff: httpx.AsyncClient, delimiter: str) -> None:
    rows = ["sku,name,price".replace(",", delimiter), "A,Anvil,1.50".replace(",", delimiter)]
    await import_csv(staff, "\n".join(rows))
    assert (await product("A"))["price"] == "1.50"


async def test_a_separator_line_of_a_spreadsheet_is_believed(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, "sep=;\nsku;name\nA;Anvil, large\n")
    assert (await product("A"))["name"] == "Anvil, large"


@pytest.mark.parametrize(
    ("encoding", "warned"),
    [("utf-8", ""), ("utf-8-sig", ""), ("cp1252", "Windows-1252"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16-LE")],
)
async def test_encodings(staff: httpx.AsyncClient, encoding: str, warned: str) -> None:
    job = await import_csv(staff, "sku,name,description\nA,Café table,Größe\n".encode(encoding))
    assert (await product("A"))["name"] == "Café table"
    assert (warned in "".join(job["warnings"])) and bool(warned) == bool(job["warnings"])


async def test_line_ends_header_case_and_quoted_newlines(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, '\ufeffSKU,Title,Body\r\nA,Anvil,"two\r\nlines"\r\n\r\n,,\r\nB,Bellows,one\r\n')
    assert ((await product("A"))["description"], await count("product")) == ("two\r\nlines", 2)


async def test_bare_carriage_returns_end_lines_too(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, "sku,name\rA,Anvil\rB,Bellows\r")
    assert await count("product") == 2


async def test_gzip(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, gzip.compress(b"sku,name\nA,Anvil\n"))
    assert job["created"] == 1


async def test_a_mapping_says_what_columns_mean(staff: httpx.AsyncClient) -> None:
    content = "Artikel,Bezeichnung,price\nA,Anvil,77\n"
    mapping = '{"Artikel": "sku", "Bezeichnung": "name", "price": ""}'
    await import_csv(staff, content, mapping=mapping)
    anvil = await product("A")
    assert (anvil["name"], anvil["price"]) == ("Anvil", "0.00")


async def test_unknown_columns_are_left_out_with_a_warning(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, "sku,name,weather\nA,Anvil,rain\n")
    assert (job["created"], "weather" in job["warnings"][0]) == (1, True)


async def test_create_only_leaves_known_products_alone(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, make_csv(["A", "Anvil", "1", 1]))
    job = await import_csv(staff, make_csv(["A", "Changed", "2", 2], ["B", "Bellows", "3", 3]), policy="create_only")
    assert (job["created"], job["skipped"], (await product("A"))["name"]) == (1, 1, "Anvil")


async def test_update_only_makes_no_products(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, make_csv(["A", "Anvil", "1", 1]))
    job = await import_csv(staff, make_csv(["A", "Changed", "2", 2], ["B", "Bellows", "3", 3]), policy="update_only")
    assert (job["updated"], job["skipped"], await count("product")) == (1, 1, 1)


async def test_prices_may_be_updated_without_a_name(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, make_csv(["A", "Anvil", "1", 1]))
    job = await import_csv(staff, "sku,price\nA,2.50\nB,3\n")
    assert (job["updated"], job["errors"][0]["message"]) == (1, "name is needed for a new product")


async def test_a_quantity_is_the_total_and_is_booked_at_the_default_location(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, make_csv(["A", "Anvil", "1", 10]))
    await import_csv(staff, "sku,stock\nA,4\n")
    rows = await fetch("SELECT delta, on_hand_after, reason, reference FROM stock_movement ORDER BY id")
    assert [(row["delta"], row["on_hand_after"], row["reason"]) for row in rows] == [
        (10, 10, "import"),
        (-6, 4, "import"),
    ]
    assert rows[1]["reference"].startswith("import:")
    await assert_stock_is_true()


async def test_with_a_location_the_quantity_is_that_of_the_location(staff: httpx.AsyncClient) -> None:
    await execute("INSERT INTO location (code, name) VALUES ('shop', 'Shop')")
    await import_csv(staff, make_csv(["A", "Anvil", "1", 10]))
    await import_csv(staff, "sku,stock\nA,4\n", location="shop")
    assert (await product("A"))["inventory_quantity"] == 14
    await assert_stock_is_true()


async def test_a_total_below_what_lies_elsewhere_is_an_error_of_its_row(staff: httpx.AsyncClient) -> None:
    await execute("INSERT INTO location (code, name) VALUES ('shop', 'Shop')")
    await import_csv(staff, make_csv(["A", "Anvil", "1", 1]))
    await import_csv(staff, "sku,stock\nA,9\n", location="shop")
    job = await import_csv(staff, "sku,stock,price\nA,3,5\n")
    assert (job["error_count"], job["updated"]) == (1, 0)
    assert (await product("A"))["inventory_quantity"] == 10
    await assert_stock_is_true()


async def test_a_taken_external_id_is_an_error_of_its_row(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, "sku,name,id\nA,Anvil,X1\n")
    job = await import_csv(staff, "sku,name,id\nB,Bellows,X1\nC,Crucible,X2\nD,Die,X2\n")
    assert [error["field"] for error in job["errors"]] == ["external_id", "external_id"]
    assert (job["created"], await count("product")) == (1, 2)


async def test_every_change_is_logged_with_who_and_why(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, make_csv(["A", "Anvil", "1", 1]))
    event = dict((await fetch("SELECT * FROM event WHERE topic = 'product.created'"))[0])
    assert (event["source"], event["bulk"], event["actor"]) == ("import", True, "stan")
    assert event["reference"] == f"import:{job['job_id']}"


async def test_the_end_of_an_import_is_an_event(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, make_csv(["A", "Anvil", "1", 1]))
    await import_csv(staff, "nothing here")
    topics = [row["topic"] for row in await fetch("SELECT topic FROM event WHERE topic LIKE 'import.%' ORDER BY id")]
    assert topics == ["import.completed", "import.failed"]


async def test_skus_that_only_python_finds_equal_are_two_products(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, "sku,name\n\u0391\u03a3,First\n\u03b1\u03c2,Second\n")
    assert (job["created"], job["duplicates"], await count("product")) == (2, 0, 2)


async def test_names_in_any_script_get_a_slug(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, BASIC + "A,قهوة عربية,x,1,yes\nB,抹茶,x,1,no\nC,!!!,x,1,1\n")
    slugs = [row["slug"] for row in await fetch("SELECT slug FROM product ORDER BY id")]
    assert all(slugs)
    assert len(set(slugs)) == 3
