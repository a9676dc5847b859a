/** Beyond these a value is not worth to be known again. */
const CHARACTERS_MAX = 512;
const DEPTH_MAX = 8;

/**
 * A value as text that no other value has, in less time than reading it as a filter takes.
 * Undefined for long values, and for all but plain objects, lists, text, numbers, booleans and
 * null.
 */
export function spell(value: unknown): string | undefined {
  const text = spellPart(value, 0);
  return text.length > CHARACTERS_MAX || text.includes(UNKNOWN) ? undefined : text;
}

/** Stands for what is not spelled; no text holds it, because JSON escapes it. */
const UNKNOWN = '\u0000';

function spellPart(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint':
      return `${value}n`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'string':
      return value.length > CHARACTERS_MAX ? UNKNOWN : JSON.stringify(value);
    case 'object':
      return value === null ? 'null' : spellObject(value, depth + 1);
    default:
      return UNKNOWN;
  }
}

function spellObject(value: object, depth: number): string {
  if (depth > DEPTH_MAX) return UNKNOWN;
  if (Array.isArray(value)) {
    if (value.length > CHARACTERS_MAX / 2) return UNKNOWN;
    let list = '[';
    for (const item of value as unknown[]) list += `${spellPart(item, depth)},`;
    return `${list}]`;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return UNKNOWN;
  const names = Object.keys(value);
  if (names.length > CHARACTERS_MAX / 4) return UNKNOWN;
  let object = '{';
  for (const name of names) {
    const part = spellPart((value as Readonly<Record<string, unknown>>)[name], depth);
    object += `${JSON.stringify(name)}:${part},`;
  }
  return `${object}}`;
}
