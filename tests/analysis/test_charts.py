"""The pictures: gaps, labels, captions, escaping, the same bytes, and what is told when there is nothing to draw."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import random
import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner

from stance.analysis.charts import draw_heatmap, draw_movers, draw_time, save
from stance.analysis.trends import movers, series_of
from stance.apps.cli.plot import plot
from stance.errors import DataError
from stance.model import artifact
from stance.model.artifact import load_model
from stance.model.confusion import confusion_of

LABELS = ["both", "engage", "none", "terrorist"]
EVIL = "Bloc <script>alert(1)</script> $x$"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def model():
    """The fast model, with errors of a known kind."""
    fast, rng = load_model("fast"), random.Random(1)
    truth = rng.choices(LABELS, [5, 20, 60, 15], k=800)
    said = [label if rng.random() < 0.85 else rng.choice(LABELS) for label in truth]
    confusion = confusion_of(truth, said, LABELS, [str(i // 4) for i in range(800)], draws=50)
    return dataclasses.replace(fast, about={**fast.about, "confusion": confusion})


def rows_of(bloc, years, engaged=0.5, documents=6, per=5):
    """Sentences of which a share engages, in documents of five."""
    return [
        {
            "document": f"{bloc}-{year}-{document}",
            "label": "engage" if sentence < round(per * engaged) else "terrorist",
            "holder": bloc,
            "holder_actor": bloc,
            "bloc": bloc,
            "year": year,
        }
        for year in years
        for document in range(documents)
        for sentence in range(per)
    ]


@pytest.fixture(scope="module")
def rows():
    """Two blocs, one of which says nothing in 2012 and too little in 2015; the last is in no bloc."""
    small = rows_of("Security bloc", [2015], documents=1)
    return [
        *rows_of("Dialogue bloc", range(2010, 2016), 0.8),
        *rows_of("Security bloc", [2010, 2011, 2013, 2014], 0.2),
        *small,
        *rows_of("", range(2010, 2016)),
    ]


@pytest.fixture
def command(model, monkeypatch):
    """Run the command with the model that has errors."""
    monkeypatch.setattr(artifact, "load_model", lambda *_, **__: model)

    def run(*arguments, code=0, **options):
        found = CliRunner().invoke(plot, [str(a) for a in arguments], **options)
        assert found.exit_code == code, found.output + repr(found.exception)
        return found

    return run


def written(folder, rows, name="p.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def svg_of(figure, folder):
    save(figure, folder / "a.svg", "svg")
    return ElementTree.parse(folder / "a.svg")


def texts(tree):
    return ["".join(element.itertext()).strip() for element in tree.iter(f"{SVG}text")]


# -- over time -------------------------------------------------------------------------------------------------------


def test_gap_is_a_gap(rows, model, tmp_path):
    tree = svg_of(draw_time(series_of(rows, "bloc", model)), tmp_path)
    lines = [g.get("id") for g in tree.iter(f"{SVG}g") if (g.get("id") or "").startswith("line-engage")]
    assert lines == ["line-engage-0-2010", "line-engage-1-2010", "line-engage-1-2013"]
    paths = [p.get("d") for g in tree.iter(f"{SVG}g") if g.get("id") in lines for p in g.iter(f"{SVG}path")]
    assert [path.count("L") for path in paths] == [5, 1, 1]


def test_blocs_are_labelled_and_the_caption_counts(rows, model, tmp_path):
    data = series_of(rows, "bloc", model)
    found = texts(svg_of(draw_time(data), tmp_path))
    assert found.count("Dialogue bloc") == found.count("Security bloc") == 2
    assert {"engage", "terrorist", "year", "100%", "2010"} <= set(found)
    assert not any("none" in text for text in found)
    caption = " ".join(found)
    assert (data.n, data.n_documents, data.below) == (300, 60, 1)
    assert "300 sentences (once for each holder), 60 documents" in caption
    assert "1 point left out for fewer than 20 sentences" in caption


def test_shares_are_those_of_the_frame(rows, model):
    cells = series_of(rows, "bloc", model).cells["Dialogue bloc"]
    assert sorted(cells) == list(range(2010, 2016))
    assert cells[2010]["share_engage_low"] <= cells[2010]["share_engage"] <= cells[2010]["share_engage_high"]
    assert cells[2010]["said_engage"] == 0.8


def test_only_the_largest_are_drawn_and_the_others_named(model, tmp_path):
    rows = [row for k in range(10) for row in rows_of(f"Country {k}", [2010], documents=20 - k)]
    data = series_of(rows, "bloc", model)
    assert list(data.cells) == [f"Country {k}" for k in range(8)]
    found = texts(svg_of(draw_time(data, ["engage"]), tmp_path))
    assert "Country 7" in found
    assert "Country 9" not in found
    assert re.search(r"Not drawn \(fewer sentences\): Country 8,\s+Country 9", " ".join(found))


def test_point_of_few_documents_is_hollow(model):
    figure = draw_time(series_of(rows_of("A", [2010], documents=1, per=40), "bloc", model), ["engage"])
    points = [line for line in figure.axes[0].lines if list(line.get_xdata()) == [2010] and line.get_marker() == "o"]
    assert [point.get_markerfacecolor() for point in points] == ["#ffffff"]
    assert len(figure.axes[0].collections) == 0
    assert "too few documents" in " ".join(figure.get_supxlabel().split())


def test_labels_keep_apart_and_in_their_order(model):
    rows = [row for k in range(8) for row in rows_of(f"Country {k}", [2010], engaged=0.8, documents=9 - k)]
    figure = draw_time(series_of(rows, "bloc", model), ["engage"])
    heights = sorted(t.get_position()[1] for t in figure.axes[0].texts)
    assert all(b - a > 5 for a, b in zip(heights, heights[1:], strict=False))
    assert heights[0] >= 0
    assert heights[-1] <= 100


# -- heatmap, movers -------------------------------------------------------------------------------------------------


def test_heatmap_is_sorted_by_net_and_shows_how_few_there_are(rows, model, tmp_path):
    figure = draw_heatmap(series_of(rows, "actor", model, most=30))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["Security bloc", "Dialogue bloc"]  # upwards
    patches = [p for p in figure.axes[0].patches if p.get_hatch()]
    assert [(p.get_x(), p.get_y()) for p in patches] == [(2014.5, -0.5)]
    assert "5" in texts(svg_of(figure, tmp_path))
    security = [p.get_facecolor() for p in figure.axes[0].patches if p.get_y() == -0.5 and not p.get_hatch()]
    assert len(security) == 4
    assert all(red > blue for red, _, blue, _ in security)


def test_movers_say_how_far_and_whether_that_is_more_than_chance(model, tmp_path):
    rows = [
        *rows_of("Turned", range(2010, 2013), 0.2),
        *rows_of("Turned", range(2013, 2016), 0.8),
        *rows_of("Stayed", range(2010, 2016), 0.6),
        *rows_of("Late", range(2014, 2016), 0.6),
    ]
    data = movers(rows, "bloc", model)
    turned, stayed = data.rows
    assert (turned["group"], turned["before"], turned["after"], turned["n_before"]) == (
        *("Turned", "2010-2012", "2013-2015"),
        90,
    )
    assert turned["change"] == pytest.approx(turned["net_after"] - turned["net_before"], abs=1e-3)
    assert turned["excludes_0"]
    assert turned["change_low"] > 0.5
    assert stayed["change_low"] < 0 < stayed["change_high"]
    assert not stayed["excludes_0"]
    assert (data.below, data.n, data.n_documents) == (1, 360, 72)
    found = " ".join(texts(svg_of(draw_movers(data), tmp_path)))
    assert "Turned" in found
    assert "independent samples" in found
    assert movers(rows, "bloc", model, before=2015).rows[0]["after"] == "2015"


# -- files -----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.words = [], 0, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.cells += tag == "td"
        assert not any(name in ("src", "href") or name.startswith("on") for name, _ in attrs)

    def handle_data(self, data):
        self.words.append(data)


def test_page_is_escaped_and_needs_nothing_else(model, tmp_path):
    data = series_of(rows_of(EVIL, [2010]), "bloc", model)
    save(draw_time(data), tmp_path / "a.html", "html", data.rows)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert EVIL in page.words
    assert {"svg", "table", "figcaption", "h1"} <= set(page.tags)
    assert page.cells == len(data.rows[0]) - 1
    assert "prefers-color-scheme: dark" in text
    assert "bootstrap over documents" in text
    assert not re.search(r"url\((?!#)|@import|<link", text)


@pytest.mark.parametrize("output_format", ["png", "svg", "html"])
def test_same_rows_same_bytes(output_format, rows, model, tmp_path):
    found = []
    for name in ("a", "b"):
        data = series_of(rows, "bloc", model)
        save(draw_time(data, ["engage"]), tmp_path / name, output_format, data.rows)
        found.append((tmp_path / name).read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["time", "heatmap", "movers"])
def test_png_is_not_blank(kind, rows, command, tmp_path):
    turned = rows_of("Turned", [2010], 0.2) + rows_of("Turned", [2015], 0.8)
    command(written(tmp_path, rows + turned), "--kind", kind, "-o", tmp_path / "a.png")
    pixels = matplotlib.image.imread(tmp_path / "a.png")
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 700
    coloured = np.ptp(pixels[..., :3], axis=2) > 0.3
    assert coloured.mean() > 0.0005
    assert (pixels[..., :3].min(axis=2) < 0.3).any()
    edge = np.concatenate([pixels[:3].ravel(), pixels[-3:].ravel(), pixels[:, :3].ravel(), pixels[:, -3:].ravel()])
    assert edge.min() == 1  # nothing is cut off


def test_users_own_style_is_kept_and_not_used(rows, model, tmp_path):
    data = series_of(rows, "bloc", model)
    save(draw_time(data), tmp_path / "a", "svg")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        save(draw_time(data), tmp_path / "b", "svg")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_failed_writing_leaves_what_was_there(rows, model, tmp_path, monkeypatch):
    (tmp_path / "a.svg").write_text("before")
    figure = draw_time(series_of(rows, "bloc", model))
    monkeypatch.setattr(type(tmp_path), "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(DataError, match="No space left"):
        save(figure, tmp_path / "a.svg", "svg")
    assert [p.name for p in tmp_path.iterdir()] == ["a.svg"]
    assert (tmp_path / "a.svg").read_text() == "before"
    with pytest.raises(DataError, match="is no file"):
        save(figure, tmp_path, "svg")


# -- the command -----------------------------------------------------------------------------------------------------


def test_command_reads_every_table_and_several(rows, command, tmp_path):
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows[:180])
    second = written(tmp_path, rows[180:])
    command(tmp_path / "a.csv", second, "-o", tmp_path / "two.svg")
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    command("-", "-o", tmp_path / "one.svg", input=lines)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_movers_are_data_too(rows, command, tmp_path):
    path = written(tmp_path, rows)
    lines = command(path, "--kind", "movers").stdout.splitlines()
    assert {json.loads(line)["group"] for line in lines} == {"Dialogue bloc", "Security bloc"}
    table = list(csv.DictReader(io.StringIO(command(path, "--kind", "movers", "--format", "csv").stdout)))
    assert [row["group"] for row in table] == [json.loads(line)["group"] for line in lines]
    assert {row["excludes_0"] for row in table} <= {"true", "false"}
    shown = command(path, "--kind", "movers", "--format", "table").stdout
    assert "net 2010-2012" in shown
    command(path, "--kind", "movers", "-o", tmp_path / "m.txt")
    assert (tmp_path / "m.txt").read_text() == shown


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"year": None}, [], "holds no date"),
        ({"year": "soon"}, [], "column 'year' holds no date ('soon'); write 2018"),
        ({"bloc": ""}, [], "no labelled sentence with a date has a bloc"),
        ({}, ["--by", "colour"], "no column 'colour'"),
        ({}, ["--by", "year"], "nothing to follow over years"),
        ({}, ["--floor", "400"], "no bloc has 400 sentences"),
        ({}, ["--position", "love"], "position 'love' is none of engage, terrorist"),
        ({}, ["--kind", "movers", "--before", "1990"], "no two periods to compare: years 2010 to 2015"),
        ({}, ["--kind", "movers", "--floor", "400"], "no actor has 400 sentences"),
    ],
)
def test_errors_say_what_is_missing(change, arguments, message, rows, command, tmp_path):
    path = written(tmp_path, [row | change for row in rows])
    found = command(path, *arguments, "-o", tmp_path / "a.svg", code=1)
    assert isinstance(found.exception, DataError)
    assert message in str(found.exception)
    assert "\n" not in str(found.exception)
    assert not (tmp_path / "a.svg").exists()


def test_without_years_the_remedy_is_named(rows, command, tmp_path):
    path = written(tmp_path, [{k: v for k, v in row.items() if k != "year"} for row in rows])
    found = command(path, "-o", tmp_path / "a.svg", code=1)
    assert "no column 'year' or 'date'" in str(found.exception)
    assert "UNGDC" in str(found.exception)
    found = command(written(tmp_path, []), "-o", tmp_path / "a.svg", code=1)
    assert "there are no rows" in str(found.exception)


def test_wrong_usage(rows, command, tmp_path):
    path = written(tmp_path, rows)
    assert "needs a file" in command(path, code=2).output
    assert "is for --kind movers" in command(path, "--format", "csv", "-o", tmp_path / "a", code=2).output
    assert "is for --kind time" in command(path, "--kind", "heatmap", "--position", "engage", code=2).output
    assert "names no format" in str(command(path, "-o", tmp_path / "a.pdf", code=1).exception)
    assert "among the input" in str(command(path, "--kind", "movers", "-o", path, code=1).exception)
    assert "no such file" in str(command(tmp_path / "x.csv", "-o", tmp_path / "a.svg", code=1).exception)
    assert "no predictions; give files" in str(command(__file__, "-o", tmp_path / "a.svg", code=1).exception)


def test_without_matplotlib_the_extra_is_named():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from stance.analysis.charts import draw_time\n"
        "from stance.analysis.trends import Series\n"
        "try: draw_time(Series('bloc', (), {}, (), 0, 0, 20, 0, 0))\n"
        "except ImportError as error: print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "drawing charts needs an optional package: pip install 'stance-bloc[plot]'"


def test_neither_help_nor_charts_load_matplotlib():
    code = (
        "import sys, stance.analysis.charts\nfrom stance.apps.cli.plot import plot\n"
        "try: plot(['--help'])\nexcept SystemExit: pass\nprint('@@', 'matplotlib' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("@@ False")
