/** Longer ones are not worth to be known again. */
const CHARACTERS_MAX = 1_024;
const PARTS_MAX = 64;
const DEPTH_MAX = 16;

/**
 * A value as text that no other value has, in less time than reading it as a filter takes.
 * Undefined for large values, and for all that JSON would change: dates, bytes, bigints, -0.
 */
export function spell(value: unknown): string | undefined {
  if (partsOf(value, 0) > PARTS_MAX) return undefined;
  const text = JSON.stringify(value);
  return text.length > CHARACTERS_MAX ? undefined : text;
}

/** How many values it is made of; infinitely many when JSON would change it. */
function partsOf(value: unknown, depth: number): number {
  switch (typeof value) {
    case 'string':
      return value.length > CHARACTERS_MAX ? Infinity : 1;
    case 'boolean':
      return 1;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? 1 : Infinity;
    case 'object':
      return value === null ? 1 : partsOfObject(value, depth + 1);
    default:
      return Infinity;
  }
}

function partsOfObject(value: object, depth: number): number {
  if (depth > DEPTH_MAX) return Infinity;
  let parts = 1;
  if (Array.isArray(value)) {
    if (value.length > PARTS_MAX) return Infinity;
    for (let i = 0; i < value.length; i++) parts += partsOf(value[i], depth);
    return parts;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return Infinity;
  const named = value as Readonly<Record<string, unknown>>;
  for (const name in named) parts += partsOf(named[name], depth);
  return parts;
}
