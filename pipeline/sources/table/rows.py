"""Tables of dated rows, as CSV or Parquet: one row for each site and day, one column for each quantity."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.extras import install_hint
from mmvsf.pipeline.sources.vector.columns import as_texts

if TYPE_CHECKING:
    from pandas import DataFrame, Series

PARQUET = b"PAR1"
"""First bytes of a Parquet file."""

MOST_BYTES = 2**30
"""Of a file; it is read whole."""

MOST_TEXT = 60
"""Characters of a wrong value that an error quotes."""

SITE, DATE, LONGITUDE, LATITUDE = "site", "date", "longitude", "latitude"


@dataclass(frozen=True)
class SiteRows:
    """The rows of a table that name a site."""

    table: "DataFrame"
    """not to be changed; its index counts the rows of the file from 0"""
    sites: NDArray[np.object_]
    """(row,) names as recipes write them: lower case, hyphens for anything but letters and digits"""
    nameless: int
    """rows without a site, which are left out"""

    def __len__(self) -> int:
        return len(self.table)


@lru_cache(maxsize=4)  # tables of a region: up to some hundred megabytes each
def _read(path: Path, state: tuple[int, int], site_column: str) -> "DataFrame":
    """A table; `state` is its size and time of change. Raises InputError."""
    import pandas

    if state[0] > MOST_BYTES:
        raise InputError(f"{path} has {state[0] / 1e9:.1f} GB; a table of at most {MOST_BYTES / 1e9:.1f} GB is read")
    try:
        with path.open("rb") as file:
            parquet = file.read(len(PARQUET)) == PARQUET
        if parquet:
            return pandas.read_parquet(path, engine="pyarrow").reset_index(drop=True)
        return pandas.read_csv(path, converters={site_column: str})  # as it is written: 01 is no number, NA a name
    except ModuleNotFoundError as error:
        raise InputError(f"{path} is a Parquet file: {install_hint(error)}") from error
    except ImportError as error:  # pandas wraps the error where pyarrow is missing
        raise InputError(f"{path} is a Parquet file: install the extra 'parquet' of this project") from error
    except (OSError, ValueError, ArithmeticError, RecursionError) as error:  # pyarrow's and pandas' are ValueErrors
        raise InputError(f"{path} cannot be read as CSV or Parquet: {one_line(error)}") from error


def read_rows(path: Path, site_column: str, columns: Sequence[str], where: str) -> SiteRows:
    """The rows of a table in a file. Raises InputError, beginning with `where` for a missing file, where it cannot be
    read or lacks a column."""
    try:
        entry = path.stat()
    except OSError as error:
        raise InputError(f"{where}: there is no table at {path}") from error
    table = _read(path, (entry.st_size, entry.st_mtime_ns), site_column)
    if missing := [name for name in (site_column, *columns) if name not in table.columns]:
        found = ", ".join(map(str, table.columns[:20]))
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; it has {found}")
    sites = _site_names(table[site_column])
    named = sites != ""
    if named.all():
        return SiteRows(table, sites, 0)
    return SiteRows(table[named], sites[named], int((~named).sum()))


def _site_names(column: "Series[Any]") -> NDArray[np.object_]:
    """(row,) names of sites, empty where there is none."""
    import pandas

    codes, values = pandas.factorize(column)
    texts = as_texts(pandas.Series(values, dtype=object))
    names = [re.sub(r"[^a-z0-9]+", "-", (text or "").lower()).strip("-") for text in texts]
    return np.array([*names, ""], object)[codes]  # the code of no value is -1


def days_of(table: "DataFrame", path: Path) -> NDArray[np.int64]:
    """(row,) days since 1970-01-01 of the column `date`. Raises InputError where one is no date."""
    import pandas

    dates = pandas.to_datetime(table[DATE], errors="coerce", utc=True, format="ISO8601")
    if dates.isna().any():
        first = int(dates.isna().to_numpy().argmax())
        found = repr(table[DATE].iloc[first])[:MOST_TEXT]
        raise InputError(
            f"{path}: row {table.index[first] + 1} has {found} in the column {DATE}; write days as YYYY-MM-DD"
        )
    days: NDArray[np.int64] = dates.to_numpy("datetime64[D]").astype(np.int64)
    return days


def numbers_of(table: "DataFrame", column: str, path: Path) -> NDArray[np.float64]:
    """(row,) numbers of a column, NaN where there is none. Raises InputError where one is no number."""
    import pandas

    column_of = table[column]
    numbers = pandas.to_numeric(column_of, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.isnan(numbers) & column_of.notna().to_numpy()
    if wrong.any():
        first = int(wrong.argmax())
        found = repr(column_of.iloc[first])[:MOST_TEXT]
        raise InputError(
            f"{path}: row {table.index[first] + 1} has {found} in the column {column}, which is not a number"
        )
    return np.where(np.isfinite(numbers), numbers, np.nan)
