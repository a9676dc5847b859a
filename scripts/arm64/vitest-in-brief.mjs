// What the tests of the kernels use of vitest, for a Node that vitest itself does not run on: its
// bundler is native code for the machine that installed it. Tests run one after the other, in the
// order of the file.
import { format, inspect, isDeepStrictEqual } from 'node:util';

const groups = [];
const tests = [];
const endings = [];

/** `%s` from the entries of a row in their order, `$name` from its first one. */
function nameOf(name, row) {
  const named = name.replace(/\$(\w+)/g, (_, key) => String(row[0]?.[key]));
  const places = named.match(/%[sdifjoO]/g)?.length ?? 0;
  return named === name ? format(name, ...row.slice(0, places)) : named;
}

const each = (add) => (table) => (name, body) => {
  for (const entry of table) {
    const row = Array.isArray(entry) ? entry : [entry];
    add(nameOf(name, row), () => body(...row));
  }
};

export function test(name, body) {
  tests.push({ name: [...groups, name].join(' > '), body });
}
test.each = each(test);
export const it = test;

export function describe(name, body) {
  groups.push(name);
  body();
  groups.pop();
}
describe.each = each(describe);

export function afterAll(body) {
  endings.push(body);
}

/** As toEqual: what is undefined counts as not there. */
function plain(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(plain);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .map(([key, one]) => [key, plain(one)]),
  );
}

function throws(call, wanted) {
  try {
    call();
  } catch (error) {
    if (wanted === undefined) return true;
    if (typeof wanted === 'function') return error instanceof wanted;
    if (wanted instanceof RegExp) return wanted.test(error.message);
    return error.message.includes(wanted);
  }
  return false;
}

const MATCHERS = {
  toBe: (value, wanted) => Object.is(value, wanted),
  toEqual: (value, wanted) => isDeepStrictEqual(plain(value), plain(wanted)),
  toBeCloseTo: (value, wanted, digits = 2) => Math.abs(value - wanted) < 10 ** -digits / 2,
  toBeDefined: (value) => value !== undefined,
  toBeUndefined: (value) => value === undefined,
  toBeGreaterThan: (value, wanted) => value > wanted,
  toBeGreaterThanOrEqual: (value, wanted) => value >= wanted,
  toBeLessThan: (value, wanted) => value < wanted,
  toBeLessThanOrEqual: (value, wanted) => value <= wanted,
  toBeInstanceOf: (value, wanted) => value instanceof wanted,
  toContain: (value, wanted) => value.includes(wanted),
  toHaveLength: (value, wanted) => value.length === wanted,
  toMatch: (value, wanted) => (wanted.test ? wanted.test(value) : value.includes(wanted)),
  toSatisfy: (value, holds) => holds(value),
  toThrow: throws,
};

export function expect(value, note = '') {
  const of = (negated) =>
    Object.fromEntries(
      Object.entries(MATCHERS).map(([name, holds]) => [
        name,
        (...wanted) => {
          if (holds(value, ...wanted) !== negated) return;
          const what = [value, ...wanted].map((one) => inspect(one, { breakLength: 200 }));
          throw new Error(`${note} ${negated ? 'not ' : ''}${name}: ${what.join(' <> ')}`);
        },
      ]),
    );
  return { ...of(false), not: of(true) };
}

/** Runs what was declared; how many passed and failed. */
export async function runTests() {
  let passed = 0;
  let failed = 0;
  for (const { name, body } of tests) {
    const started = performance.now();
    try {
      await body();
      passed++;
      process.stdout.write(`ok      ${name}  ${Math.round(performance.now() - started)} ms\n`);
    } catch (error) {
      failed++;
      process.stdout.write(`FAILED  ${name}\n${error.stack}\n`);
    }
  }
  for (const ending of endings) await ending();
  return { passed, failed };
}
