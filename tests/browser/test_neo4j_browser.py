"""Test of Neo4j Browser: log in with the generated password, run a query, see a quadruple."""

from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page

from graph.connection import Connection
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import link
from graph.server.neo4j import Neo4jDetails
from tests.graph.linking_data import make_world, write_world

QUADRUPLE = (
    "MATCH q = (:Patch)<-[:INTRA_INSTANCE]-(:Patch)-[:INTER_INSTANCE]-(:Patch)-[:INTRA_INSTANCE]->(:Patch) "
    "RETURN q LIMIT 1"
)


def test_neo4j_browser_logs_in_and_draws_a_quadruple(
    connection: Connection, neo4j_server: Neo4jDetails, page: Page, artifacts: Path
) -> None:
    world = make_world(patches=60, videos=12, seed=3, kinds=3, noise=0.3)
    write_world(connection, world)
    linking = link(world.features, world.starts, replace(PAPER, parents=3, smallest=2, group=2))
    write_generation(connection, linking, "test-features")

    page.goto(neo4j_server.browser_url)
    page.fill("[data-testid=username]", neo4j_server.user)
    page.fill("[data-testid=password]", neo4j_server.password_file.read_text().strip())
    page.click("[data-testid=connect]")
    page.wait_for_selector("[data-testid=connect]", state="detached")
    page.get_by_text("You are connected as user").wait_for()  # until then, the page moves the cursor
    page.click("#monaco-main-editor")
    page.keyboard.insert_text(QUADRUPLE)
    page.keyboard.press("Control+Enter")
    page.locator("svg g.node").nth(3).wait_for()
    assert page.locator("svg g.node").count() == 4  # A, A', B, B'
    relationships = page.locator("svg g.relationship text").all_text_contents()
    assert sorted(filter(None, relationships)) == ["INTER_INSTANCE", "INTRA_INSTANCE", "INTRA_INSTANCE"]
    page.screenshot(path=artifacts / "neo4j-browser-quadruple.png")
