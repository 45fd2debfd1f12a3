"""Write down which files the wheel holds, beside its metadata."""

import json
import zipfile
from pathlib import Path

(wheel,) = Path("dist").glob("*.whl")
with zipfile.ZipFile(wheel) as package:
    files = sorted(name for name in package.namelist() if ".dist-info/" not in name)
Path("dist/contents.json").write_text(json.dumps({"wheel": wheel.name, "files": files}), encoding="utf-8")
print(f"{wheel.name}: {len(files)} files")
