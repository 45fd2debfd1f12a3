"""Check every column by a schema, and split the rows into those to learn from and those to judge by."""

import json
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from sklearn.model_selection import train_test_split

wines = pd.read_csv("build/wine.csv", index_col="row")
schema = pa.DataFrameSchema(
    {
        "alcohol": pa.Column(float, pa.Check.in_range(8, 18)),
        "malic_acid": pa.Column(float, pa.Check.gt(0)),
        "color_intensity": pa.Column(float, pa.Check.gt(0)),
        "target": pa.Column(int, pa.Check.isin([0, 1, 2])),
    }
)
failures = []
try:
    schema.validate(wines, lazy=True)
except pa.errors.SchemaErrors as error:
    failures = error.failure_cases.astype(str).to_dict("records")
train, test = train_test_split(wines.index.tolist(), test_size=0.3, random_state=7, stratify=wines["target"])
Path("build/validation.json").write_text(json.dumps({"rows": len(wines), "failures": failures}), encoding="utf-8")
Path("build/split.json").write_text(json.dumps({"train": sorted(train), "test": sorted(test)}), encoding="utf-8")
print(f"{len(failures)} failures in {len(wines)} rows")
