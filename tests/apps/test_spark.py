"""Partitions of frames, also of Dask and of a real, local Spark, give the rows of one machine."""

from __future__ import annotations

import shutil
import sys
from datetime import date
from functools import partial

import pandas as pd
import pytest

from stance.analysis.pipeline import analyze
from stance.analysis.settings import Settings
from stance.apps.distributed import label_partition, label_partitions, meta_of, spark_schema
from stance.errors import DataError
from stance.text.readers import Columns

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated:DeprecationWarning"),  # pyspark's, of pandas 3
]

SAID = ("They met the Taliban.", "It rained.", "The Taliban are terrorists.", "No peace without them.", "")
SETTINGS = Settings("fast", columns=Columns(document="id", speaker="who"))


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
            patch.setenv(name, sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        builder = sql.SparkSession.builder.master("local[2]").appName("stance")
        options = {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": "512m",
            "spark.sql.execution.arrow.maxRecordsPerBatch": "10",  # a partition comes in several frames
            "spark.sql.execution.arrow.pyspark.enabled": "true",
            "spark.sql.shuffle.partitions": "4",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        for name, value in options.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


@pytest.fixture
def frame():
    rows = [
        (f"d{i // 4}", f"{SAID[i % 5]} {SAID[i % 3]}" if i % 5 < 4 else "", i, i / 4, i % 2 == 0, "Ann")
        for i in range(80)
    ]
    return pd.DataFrame(rows, columns=["id", "text", "page", "share", "odd", "who"])


@pytest.fixture
def taken(frame):
    """Return a frame with columns whose names are taken."""
    return frame.assign(start=range(80), label="x")


def in_order(frame):
    return frame.sort_values(["document", "page", "sentence"], ignore_index=True)


# -- pandas and Dask -------------------------------------------------------------------------------------------------


def test_partitions_make_the_whole(taken):
    found = list(label_partitions((taken.iloc[i : i + 8] for i in range(0, 80, 8)), SETTINGS))
    whole = label_partition(taken, SETTINGS)
    wanted = analyze(taken, "fast", columns=SETTINGS.columns)
    pd.testing.assert_frame_equal(pd.concat(found, ignore_index=True), whole)
    pd.testing.assert_frame_equal(whole, wanted, check_dtype=False)
    assert whole["input_start"].drop_duplicates().tolist() == list(range(80))


def test_a_document_may_go_on_in_the_next_frame_of_a_partition(taken):
    # Spark hands a partition over in frames of 10,000 rows
    found = list(label_partitions((taken.iloc[i : i + 7] for i in range(0, 80, 7)), SETTINGS))
    pd.testing.assert_frame_equal(pd.concat(found, ignore_index=True), label_partition(taken, SETTINGS))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_the_types_of_a_partition_do_not_depend_on_its_rows(taken, n):
    found, wanted = label_partition(taken.iloc[:n], SETTINGS), label_partition(taken, SETTINGS)
    assert found.dtypes.to_dict() == wanted.dtypes.to_dict()
    assert meta_of(taken, SETTINGS).dtypes.to_dict() == wanted.dtypes.to_dict()
    assert len(found) >= n
    assert meta_of(taken, SETTINGS).empty


def test_who_speaks_and_when_may_be_given_for_all(frame):
    numbers_first = frame[["page", "id", "text"]]
    settings = Settings("fast", columns=Columns(document="id"), speaker="Pakistan", date="2018")
    found = label_partition(numbers_first, settings)
    assert set(found["speaker"]) == {"Pakistan"}
    assert set(found["date"]) == {"2018"}
    assert found["page"].dtype == frame["page"].dtype


def test_a_row_without_a_document_is_told(frame):
    with pytest.raises(DataError, match="record 3: no document"):
        label_partition(frame.assign(id=["a", "a", "a", "", *["b"] * 76]), SETTINGS)


def test_frames_need_the_column_of_documents(taken):
    with pytest.raises(DataError, match="name the column that tells documents apart"):
        label_partition(taken, Settings("fast"))
    for rows in (taken, taken.iloc[:0]):
        with pytest.raises(DataError, match="no column 'speech'"):
            label_partition(rows, Settings("fast", columns=Columns(document="speech")))


def test_dask_frames_are_labelled(taken):
    dask = pytest.importorskip("dask.dataframe")
    parts_of_frame = dask.from_pandas(taken.set_index("id", drop=False), npartitions=3, sort=True)
    labelled = parts_of_frame.map_partitions(label_partition, SETTINGS, meta=meta_of(taken, SETTINGS))
    found = labelled.compute(scheduler="sync").reset_index(drop=True)
    pd.testing.assert_frame_equal(in_order(found), in_order(label_partition(taken, SETTINGS)), check_dtype=False)


# -- Spark -----------------------------------------------------------------------------------------------------------


def labelled(spark, frame, settings):
    table = spark.createDataFrame(frame).repartition("id").sortWithinPartitions("id", "page")
    schema = spark_schema(table.limit(0).toPandas(), settings)
    return table.mapInPandas(partial(label_partitions, settings=settings), schema=schema)


def test_partitions_of_spark_make_the_rows_of_one_machine(spark, frame):
    wanted = in_order(analyze(frame, "fast", columns=SETTINGS.columns))
    found = labelled(spark, frame, SETTINGS)
    assert found.columns == wanted.columns.tolist()
    pd.testing.assert_frame_equal(in_order(found.toPandas()), wanted, check_dtype=False, check_exact=True)


def test_columns_of_spark_have_the_types_of_the_frame(spark, frame):
    types = dict(labelled(spark, frame, SETTINGS).dtypes)
    assert {name: types[name] for name in ("page", "share", "odd", "speaker", "sentence", "p_engage", "gated")} == {
        "page": "bigint",
        "share": "double",
        "odd": "boolean",
        "speaker": "string",
        "sentence": "bigint",
        "p_engage": "double",
        "gated": "boolean",
    }


def test_days_stay_days(spark, frame):
    found = labelled(spark, frame.assign(day=date(2017, 5, 1)), SETTINGS)
    assert {str(row["day"]) for row in found.collect()} == {"2017-05-01"}


@pytest.mark.parametrize("name", ["start", "label"])
def test_a_column_of_a_taken_name_keeps_its_type(spark, frame, name):
    frame = frame.rename(columns={"page": name}).assign(page=frame["page"])
    found = labelled(spark, frame, SETTINGS).toPandas()
    assert sorted(set(found[f"input_{name}"])) == list(range(80))


def test_numbers_that_are_missing_stay_missing(spark, frame):
    frame = frame.assign(share=[None if i % 3 else i / 4 for i in range(80)])
    wanted = in_order(analyze(frame, "fast", columns=SETTINGS.columns))
    found = in_order(labelled(spark, frame, SETTINGS).toPandas())
    pd.testing.assert_series_equal(found["share"], wanted["share"], check_dtype=False)
