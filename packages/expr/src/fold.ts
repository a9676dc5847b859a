import type { Literal } from './ast.ts';
import { filterInvalid } from './failure.ts';
import { isWord64 } from './lexer.ts';

/** Where a constant expression stands in the text. */
interface Place {
  readonly position: number;
}

/** The value of `operator constant`. */
export function foldUnary(op: string, value: Literal, place: Place): Literal {
  if (op === '~' && typeof value === 'bigint') return ~value;
  if (op === '-' && typeof value === 'bigint') return word(-value, place);
  if (op === '-' && typeof value === 'number') return -value;
  if (op === '+' && (typeof value === 'bigint' || typeof value === 'number')) return value;
  throw filterInvalid(`\`${op}\` needs a number`, place);
}

/**
 * The value of `constant operator constant`: whole numbers stay whole (division cuts towards zero),
 * anything with a fraction is computed as double.
 */
export function foldBinary(op: string, sides: readonly [Literal, Literal], place: Place): Literal {
  const [a, b] = sides;
  if (typeof a === 'bigint' && typeof b === 'bigint')
    return word(foldInts(op, [a, b], place), place);
  if (!isNumeric(a) || !isNumeric(b)) throw filterInvalid(`\`${op}\` needs two numbers`, place);
  const value = foldFloats(op, [Number(a), Number(b)], place);
  if (!Number.isFinite(value)) throw filterInvalid('a constant is not a finite number', place);
  return value;
}

function isNumeric(value: Literal): value is bigint | number {
  return typeof value === 'bigint' || typeof value === 'number';
}

function word(value: bigint, place: Place): bigint {
  if (!isWord64(value)) throw filterInvalid('an integer does not fit 64 bits', place);
  return value;
}

function foldInts(op: string, [a, b]: readonly [bigint, bigint], place: Place): bigint {
  const small = b >= 0n && b < 64n;
  if (op === '+') return a + b;
  if (op === '-') return a - b;
  if (op === '*') return a * b;
  if (op === '&') return a & b;
  if (op === '|') return a | b;
  if (op === '^') return a ^ b;
  if (op === '<<' && small) return a << b;
  if (op === '>>' && small) return a >> b;
  if (op === '**' && small) return a ** b;
  if ((op === '/' || op === '%') && b === 0n) throw filterInvalid('division by zero', place);
  if (op === '/') return a / b;
  if (op === '%') return a % b;
  throw filterInvalid(`\`${op}\` cannot be computed for these numbers`, place);
}

function foldFloats(op: string, [a, b]: readonly [number, number], place: Place): number {
  if (op === '+') return a + b;
  if (op === '-') return a - b;
  if (op === '*') return a * b;
  if (op === '**') return a ** b;
  if (op === '/') return a / b;
  throw filterInvalid(`\`${op}\` needs two integers`, place);
}
