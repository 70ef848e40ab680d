// The texts that ComfyUI's savers and luna write into a JPEG: "workflow:..." and "prompt:..." in its EXIF block.
//
// ComfyUI's browser part reads PNG, WebP and AVIF, but no JPEG. The form is that of its WebP: texts of the first
// directory (IFD0), whatever their tags, each "key:text".

const APP1 = 0xe1;
const START_OF_SCAN = 0xda;
const ASCII = 2;

/**
 * @param {ArrayBuffer} buffer a whole file.
 * @returns {Object<string, string>} the texts by key, "prompt" and "workflow" in lower case; {} where there are none.
 */
export function readJpegTexts(buffer) {
  const view = new DataView(buffer);
  const at = findExif(view);
  if (at === null) {
    return {};
  }
  try {
    return readTexts(new DataView(buffer, at.begin, at.end - at.begin));
  } catch (problem) {
    if (problem instanceof RangeError) {
      return {}; // an offset leads out of the block: no block of ours
    }
    throw problem;
  }
}

/** Where the TIFF block lies: after "Exif\0\0" in the first such APP1 before the pixels. */
function findExif(view) {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) {
    return null;
  }
  let at = 2;
  while (at + 4 <= view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    const end = at + 2 + view.getUint16(at + 2);
    if (marker === START_OF_SCAN || end > view.byteLength) {
      return null;
    }
    const head = at + 4;
    if (marker === APP1 && end >= head + 14 && view.getUint32(head) === 0x45786966 && view.getUint16(head + 4) === 0) {
      return { begin: head + 6, end };
    }
    at = end;
  }
  return null;
}

function readTexts(tiff) {
  const little = tiff.getUint16(0) === 0x4949;
  const directory = tiff.getUint32(4, little);
  const texts = {};
  for (let n = 0; n < tiff.getUint16(directory, little); n++) {
    const entry = directory + 2 + 12 * n;
    const count = tiff.getUint32(entry + 4, little);
    if (tiff.getUint16(entry + 2, little) !== ASCII || count < 2) {
      continue;
    }
    const where = count <= 4 ? entry + 8 : tiff.getUint32(entry + 8, little);
    if (where + count > tiff.byteLength) {
      throw new RangeError("a text ends outside of its block");
    }
    const bytes = new Uint8Array(tiff.buffer, tiff.byteOffset + where, count - 1);
    const text = new TextDecoder().decode(bytes);
    const colon = text.indexOf(":");
    if (colon > 0) {
      const key = text.slice(0, colon);
      const known = ["prompt", "workflow"].includes(key.toLowerCase());
      texts[known ? key.toLowerCase() : key] = text.slice(colon + 1);
    }
  }
  return texts;
}

/** JSON as Python writes it: NaN and infinities, which JSON does not have, are null. */
export function parsePythonJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    const words = /"(?:[^"\\]|\\.)*"|NaN|-?Infinity/g; // strings are matched whole, so what is in them stays
    return JSON.parse(text.replace(words, (word) => (word.startsWith('"') ? word : "null")));
  }
}
