/** Deeper values are called different. */
const DEPTH_MAX = 16;

/**
 * Whether two values made of plain objects, arrays and primitives are the same, whatever the order
 * of names; never of others, such as dates: they are called different. Makes nothing, so that it
 * costs less than a copy. Cost: their size, at most.
 */
export function sameValue(a: unknown, b: unknown, depth: number = 0): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) {
    return Object.is(a, b);
  }
  if (depth > DEPTH_MAX) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && sameItems(a, b, depth);
  }
  const plain = Object.prototype;
  if (Object.getPrototypeOf(a) !== plain || Object.getPrototypeOf(b) !== plain) return false;
  return sameNamed(a as Named, b as Named, depth);
}

type Named = Readonly<Record<string, unknown>>;

function sameItems(a: readonly unknown[], b: readonly unknown[], depth: number): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!sameValue(a[i], b[i], depth + 1)) return false;
  return true;
}

function sameNamed(a: Named, b: Named, depth: number): boolean {
  let left = 0;
  for (const name in a) {
    if (!Object.hasOwn(b, name) || !sameValue(a[name], b[name], depth + 1)) return false;
    left++;
  }
  for (const _ in b) left--;
  return left === 0;
}
