"""Judge the model by the rows that it has not seen, in numbers and as a picture."""

import json
from pathlib import Path

import joblib
import matplotlib as mpl
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, f1_score

mpl.use("Agg")
split = json.loads(Path("build/split.json").read_text(encoding="utf-8"))
wines = pd.read_csv("build/wine.csv", index_col="row").loc[split["test"]]
model = joblib.load("build/model.joblib")
guessed = model.predict(wines.drop(columns="target"))
metrics = {
    "rows": len(wines),
    "accuracy": round(accuracy_score(wines["target"], guessed), 3),
    "f1": round(f1_score(wines["target"], guessed, average="macro"), 3),
}
Path("build/metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
ConfusionMatrixDisplay.from_predictions(wines["target"], guessed).figure_.savefig("build/confusion.png", dpi=80)
print(f"accuracy {metrics['accuracy']}")
