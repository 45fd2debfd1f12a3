"""Put model and metrics into one file, with the digest of each."""

import hashlib
import json
import zipfile
from pathlib import Path

parts = {"model": Path("build/model.joblib"), "metrics": Path("build/metrics.json")}
contents = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in parts.items()}
Path("build/contents.json").write_text(json.dumps(contents), encoding="utf-8")
with zipfile.ZipFile("build/wine-model.zip", "w") as package:
    for path in (*parts.values(), Path("build/contents.json")):
        package.write(path, path.name)
print(f"packaged {', '.join(path.name for path in parts.values())}")
