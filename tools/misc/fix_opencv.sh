#!/usr/bin/env bash
# On a machine without libGL (most servers and containers) OpenCV can't be
# imported: put its headless build, of the same version, in its place.
# Usage: fix_opencv.sh PYTHON
set -euo pipefail

python=$1
"$python" -c 'import cv2' 2>/dev/null && exit 0

version=$("$python" -c 'from importlib.metadata import version
print(version("opencv-python"))')
echo "OpenCV can't be imported here; taking opencv-python-headless $version:"
"$python" -c 'import cv2' 2>&1 | tail -1 || true
"$python" -m pip install --force-reinstall --no-deps \
    "opencv-python-headless==$version"
"$python" -c 'import cv2'
