"""Learn from the rows of the split, and write down which ones those were."""

import json
from pathlib import Path

import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

split = json.loads(Path("build/split.json").read_text(encoding="utf-8"))
wines = pd.read_csv("build/wine.csv", index_col="row").loc[split["train"]]
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
model.fit(wines.drop(columns="target"), wines["target"])
joblib.dump(model, "build/model.joblib")
Path("build/training.json").write_text(json.dumps({"rows": wines.index.tolist()}), encoding="utf-8")
print(f"learned from {len(wines)} wines")
