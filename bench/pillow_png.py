"""What Pillow takes for a PNG as ComfyUI's SaveImage writes it: for `luna-bench png`.

    python bench/pillow_png.py FILE [LEVEL]

Prints one JSON object: the median of the CPU milliseconds of five saves into memory, and the bytes.
"""

import io
import json
import statistics
import sys
import time

import PIL
from PIL import Image, features

LEVEL = 4  # ComfyUI's


def main() -> None:
    picture = Image.open(sys.argv[1])
    picture.load()
    level = int(sys.argv[2]) if len(sys.argv) > 2 else LEVEL
    times, size = [], 0
    for _ in range(5):
        file = io.BytesIO()
        began = time.thread_time()
        picture.save(file, "PNG", compress_level=level)
        times.append(time.thread_time() - began)
        size = file.tell()
    zlib = "zlib-ng" if features.check_feature("zlib_ng") else "zlib"
    version = f"Pillow {PIL.__version__}, {zlib} {features.version('zlib')}"
    print(json.dumps({"ms": 1000 * statistics.median(times), "bytes": size, "version": version}))


if __name__ == "__main__":
    main()
