const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const CODES = new TextEncoder().encode(ALPHABET);
const VALUES = new Uint8Array(256).fill(255);
CODES.forEach((code, value) => {
  VALUES[code] = value;
});
VALUES[45] = 62;
VALUES[95] = 63;
const EQUALS = 61;
const ascii = new TextDecoder();
const utf8 = new TextEncoder();

/** Bytes as base64 text, padded. Linear; no platform API, so that it runs in every browser. */
export function toBase64(bytes: Uint8Array): string {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  let at = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word =
      ((bytes[i] as number) << 16) |
      ((left > 1 ? (bytes[i + 1] as number) : 0) << 8) |
      (left > 2 ? (bytes[i + 2] as number) : 0);
    out[at] = CODES[word >>> 18] as number;
    out[at + 1] = CODES[(word >>> 12) & 63] as number;
    out[at + 2] = left > 1 ? (CODES[(word >>> 6) & 63] as number) : EQUALS;
    out[at + 3] = left > 2 ? (CODES[word & 63] as number) : EQUALS;
    at += 4;
  }
  return ascii.decode(out);
}

/** Bytes of base64 or base64url text, padded or not; undefined when it is neither. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  let length = text.length;
  while (length > 0 && text.charCodeAt(length - 1) === EQUALS && text.length - length < 2) length--;
  if (length % 4 === 1) return undefined;
  const source = utf8.encode(text);
  if (source.length !== text.length) return undefined;
  const out = new Uint8Array(Math.floor((length * 3) / 4));
  let bad = 0;
  let at = 0;
  for (let i = 0; i < length; i += 4) {
    const a = VALUES[source[i] as number] as number;
    const b = i + 1 < length ? (VALUES[source[i + 1] as number] as number) : 0;
    const c = i + 2 < length ? (VALUES[source[i + 2] as number] as number) : 0;
    const d = i + 3 < length ? (VALUES[source[i + 3] as number] as number) : 0;
    bad |= a | b | c | d;
    const word = (a << 18) | (b << 12) | (c << 6) | d;
    out[at++] = word >>> 16;
    if (at < out.length) out[at++] = (word >>> 8) & 255;
    if (at < out.length) out[at++] = word & 255;
  }
  return bad > 63 ? undefined : out;
}
