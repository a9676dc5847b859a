import { filterInvalid } from './failure.ts';

/** One word of filter text. `text` is the name, the operator or the string's value. */
export interface Token {
  readonly kind: 'name' | 'word' | 'int' | 'float' | 'string' | 'bytes' | 'op' | 'end';
  readonly text: string;
  readonly at: number;
  readonly int?: bigint;
  readonly float?: number;
  readonly bytes?: Uint8Array;
}

/** Words with a meaning of their own, each in the two spellings Milvus takes. */
const WORDS = new Map<string, string>();
for (const word of ['and', 'or', 'not', 'in', 'like', 'is', 'null', 'exists', 'iso', 'interval']) {
  WORDS.set(word, word).set(word.toUpperCase(), word);
}
for (const word of ['true', 'false']) {
  WORDS.set(word, word).set(word.toUpperCase(), word);
  WORDS.set(word[0]?.toUpperCase() + word.slice(1), word);
}

/** Whether a name has to be quoted to be read as a name. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z_$][A-Za-z0-9_]*$/.test(name) && !WORDS.has(name);
}

const OPERATORS = [
  ['**', '<<', '>>', '<=', '>=', '==', '!=', '&&', '||', '=~', '!~'],
  '+-*/%<>()[]{},&|^~!:='.split(''),
] as const;

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
  '0': '\0',
  '\\': '\\',
  '"': '"',
  "'": "'",
  '`': '`',
  '?': '?',
  '/': '/',
  // Kept as they are: patterns of `like` read them.
  '%': '\\%',
  _: '\\_',
};

const INT_MIN = -(1n << 63n);
const INT_MAX = (1n << 64n) - 1n;

/** Whether an integer fits a signed or an unsigned 64-bit field. */
export function isWord64(value: bigint): boolean {
  return value >= INT_MIN && value <= INT_MAX;
}

/**
 * Cuts filter text into tokens; the last one is `end`. One pass, linear.
 *
 * @throws filter_invalid with the position of what cannot be read.
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const [token, next] = readToken(text, at);
    tokens.push(token);
    at = skipSpace(text, next);
  }
  tokens.push({ kind: 'end', text: '', at: text.length });
  return tokens;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code !== 32 && code !== 9 && code !== 10 && code !== 13) break;
    at++;
  }
  return at;
}

function isNameStart(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    code === 95 ||
    code === 36 ||
    code >= 0x80
  );
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function readToken(text: string, at: number): [Token, number] {
  const code = text.charCodeAt(at);
  const char = text[at] ?? '';
  const next = text.charCodeAt(at + 1);
  const quoteNext = next === 34 || next === 39;
  if ((char === 'r' || char === 'R') && quoteNext) return readRaw(text, at);
  if (char === 'x' && quoteNext) return readBytes(text, at);
  if (isNameStart(code)) return readName(text, at);
  if (isDigit(code) || (char === '.' && isDigit(next))) return readNumber(text, at);
  if (char === '"' || char === "'") {
    const [value, end] = readString(text, at);
    return [{ kind: 'string', text: value, at }, end];
  }
  if (char === '`') {
    const [value, end] = readString(text, at);
    if (value === '') throw filterInvalid('a quoted name is empty', { position: at });
    return [{ kind: 'name', text: value, at }, end];
  }
  return readOperator(text, at);
}

function readOperator(text: string, at: number): [Token, number] {
  const two = text.slice(at, at + 2);
  if ((OPERATORS[0] as readonly string[]).includes(two)) {
    return [{ kind: 'op', text: two, at }, at + 2];
  }
  const one = text[at] ?? '';
  if ((OPERATORS[1] as readonly string[]).includes(one)) {
    return [{ kind: 'op', text: one, at }, at + 1];
  }
  const hint = one === '.' ? 'Write field["key"] to reach into JSON.' : undefined;
  const why = `the character ${JSON.stringify(one)} means nothing here`;
  throw filterInvalid(why, { position: at, hint });
}

function readName(text: string, at: number): [Token, number] {
  let end = at + 1;
  while (end < text.length) {
    const code = text.charCodeAt(end);
    if (!isNameStart(code) && !isDigit(code)) break;
    end++;
  }
  const name = text.slice(at, end);
  const word = WORDS.get(name);
  return [{ kind: word === undefined ? 'name' : 'word', text: word ?? name, at }, end];
}

function readNumber(text: string, at: number): [Token, number] {
  let end = at;
  const body = /[0-9A-Za-z_.]/;
  while (end < text.length && body.test(text[end] ?? '')) {
    const exponent = /[eE]/.test(text[end] ?? '') && !/^0[xX]/.test(text.slice(at, at + 2));
    end++;
    if (exponent && /[+-]/.test(text[end] ?? '')) end++;
  }
  const word = text.slice(at, end);
  if (/^(0[xX][0-9a-fA-F]{1,16}|0[bB][01]{1,64}|0|[1-9]\d{0,19})$/.test(word)) {
    return intToken(BigInt(word), at, end);
  }
  if (/^0[0-7]{1,22}$/.test(word)) return intToken(BigInt(`0o${word.slice(1)}`), at, end);
  if (/^(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?$/.test(word) && /[.eE]/.test(word)) {
    const float = Number(word);
    if (!Number.isFinite(float)) {
      throw filterInvalid('a number is too large', { position: at });
    }
    return [{ kind: 'float', text: word, at, float }, end];
  }
  const why = /^\d+$/.test(word) ? 'an integer does not fit 64 bits' : 'a number cannot be read';
  throw filterInvalid(why, { position: at });
}

function intToken(int: bigint, at: number, end: number): [Token, number] {
  if (!isWord64(int)) throw filterInvalid('an integer does not fit 64 bits', { position: at });
  return [{ kind: 'int', text: String(int), at, int }, end];
}

function readRaw(text: string, at: number): [Token, number] {
  const end = text.indexOf(text[at + 1] ?? '"', at + 2);
  if (end < 0) throw filterInvalid('a string has no end', { position: at });
  return [{ kind: 'string', text: text.slice(at + 2, end), at }, end + 1];
}

function readBytes(text: string, at: number): [Token, number] {
  const end = text.indexOf(text[at + 1] ?? '"', at + 2);
  const hex = end < 0 ? '' : text.slice(at + 2, end);
  if (end < 0 || hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) {
    throw filterInvalid('bytes are written as pairs of hex digits: x"00ff"', { position: at });
  }
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return [{ kind: 'bytes', text: hex, at, bytes }, end + 1];
}

function readString(text: string, start: number): [string, number] {
  const quote = text[start];
  const parts: string[] = [];
  let at = start + 1;
  let plain = at;
  while (at < text.length) {
    const char = text[at];
    if (char === quote) {
      parts.push(text.slice(plain, at));
      return [parts.join(''), at + 1];
    }
    if (char === '\\') {
      parts.push(text.slice(plain, at));
      const [value, end] = readEscape(text, at);
      parts.push(value);
      at = end;
      plain = end;
    } else at++;
  }
  throw filterInvalid('a string has no end', { position: start });
}

function readEscape(text: string, at: number): [string, number] {
  const char = text[at + 1] ?? '';
  const digits = char === 'x' ? 2 : char === 'u' ? 4 : char === 'U' ? 8 : 0;
  if (digits > 0) {
    const hex = text.slice(at + 2, at + 2 + digits);
    const code = Number.parseInt(hex, 16);
    if (hex.length === digits && /^[0-9a-fA-F]+$/.test(hex) && code <= 0x10ffff) {
      return [
        digits === 4 ? String.fromCharCode(code) : String.fromCodePoint(code),
        at + 2 + digits,
      ];
    }
  } else if (Object.hasOwn(ESCAPES, char)) return [ESCAPES[char] ?? '', at + 2];
  throw filterInvalid(`the escape \\${char} is not known`, {
    position: at,
    hint: 'Write \\\\ for a backslash.',
  });
}
