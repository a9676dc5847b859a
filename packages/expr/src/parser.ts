import { LIMITS, didYouMean } from '@elanus/core';
import type { ArithOp, CompareOp, Expr, Literal, LiteralExpr, PathExpr } from './ast.ts';
import { filterInvalid } from './failure.ts';
import { foldBinary, foldUnary } from './fold.ts';
import type { Token } from './lexer.ts';
import { tokenize } from './lexer.ts';
import { checkListLength, literalOf } from './literal.ts';
import { parseDuration } from './time.ts';

/** Bounds of one parse; the defaults are those for text that people write. */
export interface ParseOptions {
  readonly textBytesMax?: number;
  readonly nodesMax?: number;
}

/** Values bound to `{name}` in the text. */
export type FilterParams = Readonly<Record<string, unknown>>;

interface Parser {
  readonly tokens: readonly Token[];
  readonly params: FilterParams;
  readonly nodesMax: number;
  at: number;
  depth: number;
  nodes: number;
}

/** How tightly each operator binds; Milvus' order. */
const POWER: Readonly<Record<string, number>> = {
  '||': 1,
  or: 1,
  '&&': 2,
  and: 2,
  '|': 3,
  '^': 4,
  '&': 5,
  '==': 6,
  '!=': 6,
  '<': 7,
  '<=': 7,
  '>': 7,
  '>=': 7,
  in: 8,
  not: 8,
  '<<': 9,
  '>>': 9,
  '+': 10,
  '-': 10,
  '*': 11,
  '/': 11,
  '%': 11,
  '**': 13,
};
const NEXT_EXPECTED = 'Write a field, a value or a parenthesis.';

/**
 * Reads filter text in Milvus' syntax. Total: any text ends in a tree or in an error, in time
 * linear in the text. `{name}` takes its value from `params`; nothing is spliced into the text.
 * Empty text means every row.
 *
 * @throws filter_invalid with `position` (UTF-16 units) and, where one is known, a hint.
 */
export function parseFilter(
  text: string,
  params: FilterParams = {},
  options: ParseOptions = {},
): Expr {
  const bytesMax = options.textBytesMax ?? LIMITS.filterBytesMax;
  if (isLonger(text, bytesMax)) {
    throw filterInvalid(`the text is longer than ${bytesMax} bytes`, {
      hint: 'Bind long lists as parameters.',
    });
  }
  const nodesMax = options.nodesMax ?? LIMITS.filterNodesMax;
  const tokens = tokenize(text);
  const parser: Parser = { tokens, params, nodesMax, at: 0, depth: 0, nodes: 0 };
  if (peek(parser).kind === 'end') return { kind: 'literal', value: true, at: 0 };
  const expr = parseLevel(parser, 0);
  const rest = peek(parser);
  if (rest.kind !== 'end') throw unexpected(rest, 'an operator or the end');
  return expr;
}

/** Whether a text takes more bytes of UTF-8; short ones are not encoded to know. */
function isLonger(text: string, bytesMax: number): boolean {
  if (text.length * 3 <= bytesMax) return false;
  return text.length > bytesMax || new TextEncoder().encode(text).length > bytesMax;
}

function peek(parser: Parser): Token {
  return parser.tokens[Math.min(parser.at, parser.tokens.length - 1)] as Token;
}

function take(parser: Parser): Token {
  const token = peek(parser);
  parser.at++;
  return token;
}

function takes(parser: Parser, op: string): boolean {
  const token = peek(parser);
  if (token.text !== op || (token.kind !== 'op' && token.kind !== 'word')) return false;
  parser.at++;
  return true;
}

function expect(parser: Parser, op: string): void {
  if (!takes(parser, op)) throw unexpected(peek(parser), `\`${op}\``);
}

function count(parser: Parser, at: number): void {
  if (++parser.nodes <= parser.nodesMax) return;
  throw filterInvalid(`more than ${parser.nodesMax} parts`, {
    position: at,
    hint: 'Use `in` with a list.',
  });
}

/** Calls and constants may stand inside the deepest parenthesis. */
const CALL_DEPTH = 4;
const CONSTANT_DEPTH = LIMITS.jsonDepthMax + 8;

/** Runs `body` one level deeper; the stack is bounded by the depth limit. */
function nested<T>(parser: Parser, body: () => T, extra = 0): T {
  if (++parser.depth > LIMITS.filterDepthMax + extra) {
    throw filterInvalid(`nested more than ${LIMITS.filterDepthMax} levels deep`, {
      position: peek(parser).at,
    });
  }
  const result = body();
  parser.depth--;
  return result;
}

function unexpected(token: Token, wanted: string): Error {
  const got = token.kind === 'end' ? 'the text ends' : `\`${token.text}\` stands`;
  let hint: string | undefined;
  if (token.kind === 'op' && token.text === '=') hint = 'Write == for equality.';
  if (token.kind === 'op' && (token.text === '=~' || token.text === '!~')) hint = 'Use like.';
  if (token.kind === 'op' && token.text === '!') hint = 'Write not.';
  if (token.kind === 'name') hint = wordHint(token.text);
  return filterInvalid(`${got} where ${wanted} is expected`, { position: token.at, hint });
}

const OPERATOR_WORDS = ['and', 'or', 'not', 'in', 'like', 'is', 'between'];

function wordHint(word: string): string | undefined {
  if (word.toLowerCase() === 'between') return 'Write low <= field <= high.';
  return didYouMean(word, OPERATOR_WORDS);
}

function parseLevel(parser: Parser, least: number): Expr {
  let left = parseUnary(parser);
  for (;;) {
    const token = peek(parser);
    if (token.kind !== 'op' && token.kind !== 'word') return left;
    const power = POWER[token.text];
    if (power === undefined || power < least) return left;
    left = parseBinary(parser, left, power);
  }
}

function parseBinary(parser: Parser, left: Expr, power: number): Expr {
  const token = take(parser);
  count(parser, token.at);
  switch (token.text) {
    case 'and':
    case '&&':
      return parseJoin(parser, 'and', left);
    case 'or':
    case '||':
      return parseJoin(parser, 'or', left);
    case 'in':
      return parseIn(parser, { operand: left, negated: false, at: token.at });
    case 'not':
      expect(parser, 'in');
      return parseIn(parser, { operand: left, negated: true, at: token.at });
    case '==':
    case '!=':
      return comparison(left, token, parseLevel(parser, power + 1));
    case '<':
    case '<=':
    case '>':
    case '>=':
      return parseRelation(parser, left, token);
    case '**':
      return nested(parser, () => arithmetic(left, token, parseLevel(parser, power)));
    default:
      return arithmetic(left, token, parseLevel(parser, power + 1));
  }
}

function parseJoin(parser: Parser, kind: 'and' | 'or', first: Expr): Expr {
  const items = [first];
  const [word, sign] = kind === 'and' ? ['and', '&&'] : ['or', '||'];
  do items.push(parseLevel(parser, (POWER[kind] ?? 0) + 1));
  while (takes(parser, word) || takes(parser, sign));
  return { kind, items, at: first.at };
}

function parseIn(
  parser: Parser,
  head: { readonly operand: Expr; readonly negated: boolean; readonly at: number },
): Expr {
  const list = parseLevel(parser, (POWER['in'] ?? 0) + 1);
  return { kind: 'in', operand: head.operand, list, negated: head.negated, at: head.operand.at };
}

function comparison(left: Expr, token: Token, right: Expr): Expr {
  if (left.kind === 'compare' || right.kind === 'compare') {
    throw filterInvalid('comparisons cannot be compared', {
      position: token.at,
      hint: 'Join them with and.',
    });
  }
  return { kind: 'compare', op: token.text as CompareOp, left, right, at: left.at };
}

function parseRelation(parser: Parser, left: Expr, token: Token): Expr {
  const power = POWER['<'] ?? 0;
  const middle = parseLevel(parser, power + 1);
  const first = comparison(left, token, middle);
  const next = peek(parser);
  if (next.kind !== 'op' || POWER[next.text] !== power) return first;
  if (next.text[0] !== token.text[0]) {
    throw filterInvalid('a range has to run in one direction', {
      position: next.at,
      hint: 'Write low < field and field < high as low < field < high.',
    });
  }
  take(parser);
  count(parser, next.at);
  const second = comparison(middle, next, parseLevel(parser, power + 1));
  return { kind: 'and', items: [first, second], at: left.at };
}

const ARITHMETIC: ReadonlySet<string> = new Set(['+', '-', '*', '/', '%']);

function arithmetic(left: Expr, token: Token, right: Expr): Expr {
  const place = { position: token.at };
  const op = token.text;
  if (left.kind === 'literal' && right.kind === 'literal') {
    return {
      kind: 'literal',
      value: foldBinary(op, [left.value, right.value], place),
      at: left.at,
    };
  }
  if (!ARITHMETIC.has(op)) {
    throw filterInvalid(`\`${op}\` works on constants only`, place);
  }
  if (right.kind === 'interval' && left.kind === 'path' && (op === '+' || op === '-')) {
    const by: LiteralExpr = { kind: 'literal', value: BigInt(right.ms), at: right.at };
    return { kind: 'arith', op, operand: left, by, at: left.at };
  }
  if (isOperand(left) && right.kind === 'literal') {
    return { kind: 'arith', op: op as ArithOp, operand: left, by: right, at: left.at };
  }
  if (left.kind === 'literal' && isOperand(right) && (op === '+' || op === '*')) {
    return { kind: 'arith', op, operand: right, by: left, at: left.at };
  }
  throw filterInvalid('arithmetic takes one field and one constant', {
    ...place,
    hint: 'Write it as field + constant, compared with a constant.',
  });
}

function isOperand(expr: Expr): boolean {
  return expr.kind === 'path' || expr.kind === 'length';
}

/** Unary operators, without recursion: any run of them costs no stack. */
function parseUnary(parser: Parser): Expr {
  const signs: Token[] = [];
  for (;;) {
    const token = peek(parser);
    const sign = token.kind === 'op' && ['-', '+', '~', '!'].includes(token.text);
    if (!sign && !(token.kind === 'word' && token.text === 'not')) break;
    signs.push(take(parser));
    count(parser, token.at);
  }
  let expr = parsePostfix(parser);
  if (signs.length > 0 && peek(parser).text === '**' && peek(parser).kind === 'op') {
    expr = parseBinary(parser, expr, POWER['**'] ?? 0);
  }
  for (const token of signs.reverse()) expr = applyUnary(token, expr);
  return expr;
}

function applyUnary(token: Token, expr: Expr): Expr {
  if (token.text === 'not' || token.text === '!') {
    // Two in a row cancel out, so that a run of them makes no deep tree.
    if (expr.kind === 'not') return expr.operand;
    return { kind: 'not', operand: expr, at: token.at };
  }
  if (expr.kind !== 'literal') {
    throw filterInvalid(`\`${token.text}\` works on constants only`, { position: token.at });
  }
  const value = foldUnary(token.text, expr.value, { position: token.at });
  return { kind: 'literal', value, at: token.at };
}

/** An atom with what may follow it: subscripts, `like`, `is null`. */
function parsePostfix(parser: Parser): Expr {
  if (takes(parser, 'exists')) {
    const at = peek(parser).at;
    const operand = parseSubscripts(parser, parseAtom(parser));
    return { kind: 'null', operand, negated: true, at };
  }
  const expr = parseSubscripts(parser, parseAtom(parser));
  if (takes(parser, 'like')) {
    return { kind: 'like', operand: expr, pattern: parseAtom(parser), at: expr.at };
  }
  if (takes(parser, 'is')) {
    const negated = takes(parser, 'not');
    expect(parser, 'null');
    return { kind: 'null', operand: expr, negated, at: expr.at };
  }
  return expr;
}

function parseSubscripts(parser: Parser, expr: Expr): Expr {
  if (expr.kind !== 'path') return expr;
  const path: (string | number)[] = [];
  while (takes(parser, '[')) {
    const key = take(parser);
    count(parser, key.at);
    if (path.length > LIMITS.jsonDepthMax) {
      throw filterInvalid('a path is too long', { position: key.at });
    }
    if (key.kind === 'string') path.push(key.text);
    else if (key.int !== undefined && key.int <= 0x7fffffffn) path.push(Number(key.int));
    else throw unexpected(key, 'a key in quotes or a position');
    expect(parser, ']');
  }
  return path.length === 0 ? expr : { ...expr, path };
}

function parseAtom(parser: Parser): Expr {
  const token = take(parser);
  count(parser, token.at);
  const at = token.at;
  if (token.int !== undefined) return { kind: 'literal', value: token.int, at };
  if (token.float !== undefined) return { kind: 'literal', value: token.float, at };
  if (token.bytes !== undefined) return { kind: 'literal', value: token.bytes, at };
  if (token.kind === 'string') return { kind: 'literal', value: literalOf(token.text), at };
  if (token.kind === 'name') return parseName(parser, token);
  if (token.kind === 'word') return parseWord(parser, token);
  if (token.text === '[') return { kind: 'literal', value: parseList(parser, token), at };
  if (token.text === '{') return parseBrace(parser, token);
  if (token.text === '(') {
    const inner = nested(parser, () => parseLevel(parser, 0));
    expect(parser, ')');
    return inner;
  }
  const hint = token.kind === 'end' ? NEXT_EXPECTED : undefined;
  if (hint === undefined) throw unexpected(token, 'a field or a value');
  throw filterInvalid('the text ends too early', { position: at, hint });
}

function parseWord(parser: Parser, token: Token): Expr {
  const at = token.at;
  if (token.text === 'true' || token.text === 'false') {
    return { kind: 'literal', value: token.text === 'true', at };
  }
  const text = peek(parser);
  if (token.text === 'iso' && text.kind === 'string') {
    take(parser);
    return { kind: 'literal', value: text.text, at };
  }
  if (token.text === 'interval' && text.kind === 'string') {
    take(parser);
    return { kind: 'interval', ms: parseDuration(text.text, text.at), at };
  }
  if (token.text === 'null') {
    const hint = 'Write field is null, or field is not null.';
    throw filterInvalid('null cannot be compared', { position: at, hint });
  }
  throw unexpected(token, 'a field or a value');
}

const FUNCTIONS = [
  'array_contains',
  'array_contains_all',
  'array_contains_any',
  'json_contains',
  'json_contains_all',
  'json_contains_any',
  'array_length',
] as const;

function parseName(parser: Parser, token: Token): Expr {
  if (!takes(parser, '(')) {
    const path: PathExpr = { kind: 'path', name: token.text, path: [], at: token.at };
    return path;
  }
  const name = token.text.toLowerCase();
  if (!(FUNCTIONS as readonly string[]).includes(name)) {
    throw filterInvalid(`there is no function \`${token.text}\``, {
      position: token.at,
      hint: didYouMean(name, FUNCTIONS),
    });
  }
  return nested(parser, () => parseCall(parser, name, token), CALL_DEPTH);
}

function parseCall(parser: Parser, name: string, token: Token): Expr {
  const operand = parseSubscripts(parser, parseAtom(parser));
  if (name === 'array_length') {
    expect(parser, ')');
    return { kind: 'length', operand, at: token.at };
  }
  expect(parser, ',');
  const values = parseLevel(parser, POWER['|'] ?? 0);
  expect(parser, ')');
  return containsOf(name, { operand, values, token });
}

function containsOf(
  name: string,
  parts: { readonly operand: Expr; readonly values: Expr; readonly token: Token },
): Expr {
  const { operand, values } = parts;
  const at = parts.token.at;
  const many = name.endsWith('_all') || name.endsWith('_any');
  if (values.kind !== 'literal' || (many && !Array.isArray(values.value))) {
    const why = many ? `${name} needs a list of constants` : `${name} needs a constant`;
    throw filterInvalid(why, { position: values.at });
  }
  const list: LiteralExpr = many ? values : { ...values, value: [values.value] };
  return {
    kind: 'contains',
    mode: name.endsWith('_all') ? 'all' : 'any',
    operand,
    values: list,
    at,
  };
}

/** The rest of a list of constants, after its bracket. */
function parseList(parser: Parser, open: Token): Literal[] {
  const items: Literal[] = [];
  while (!takes(parser, ']')) {
    items.push(parseConstant(parser));
    checkListLength(items.length, open.at);
    if (!takes(parser, ',')) {
      expect(parser, ']');
      break;
    }
  }
  return items;
}

/** One constant inside a list or an object, where null is allowed. */
function parseConstant(parser: Parser): Literal {
  if (takes(parser, 'null')) return null;
  const nodes = parser.nodes;
  const expr = nested(parser, () => parseLevel(parser, POWER['|'] ?? 0), CONSTANT_DEPTH);
  parser.nodes = nodes;
  if (expr.kind !== 'literal') {
    throw filterInvalid('lists and objects hold constants only', { position: expr.at });
  }
  return expr.value;
}

/** `{name}` is a parameter, `{"key": value}` an object. */
function parseBrace(parser: Parser, open: Token): Expr {
  const first = peek(parser);
  if (first.kind === 'name' || first.kind === 'word') {
    take(parser);
    expect(parser, '}');
    return { kind: 'literal', value: parameter(parser, first), at: open.at };
  }
  const entries = new Map<string, Literal>();
  while (!takes(parser, '}')) {
    const key = take(parser);
    if (key.kind !== 'string') throw unexpected(key, 'a key in quotes, or a parameter name');
    count(parser, key.at);
    expect(parser, ':');
    entries.set(key.text, parseConstant(parser));
    if (!takes(parser, ',')) {
      expect(parser, '}');
      break;
    }
  }
  return { kind: 'literal', value: entries, at: open.at };
}

function parameter(parser: Parser, token: Token): Literal {
  if (!Object.hasOwn(parser.params, token.text)) {
    throw filterInvalid(`the parameter \`${token.text}\` has no value`, {
      position: token.at,
      hint: didYouMean(token.text, Object.keys(parser.params)),
    });
  }
  return literalOf(parser.params[token.text], { position: token.at, field: token.text });
}
