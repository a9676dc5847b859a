import type { WireFilter } from '@elanus/api';
import { ElanusError } from '@elanus/core';

const WHERE = Symbol.for('elanus.where');

/** A bound value between pieces of text. */
interface Bound {
  readonly value: unknown;
}

/** A filter made of text and bound values. Made by `expr` and by the builder form. */
export interface Where {
  readonly [WHERE]: true;
  readonly parts: readonly (string | Bound)[];
  /** Parameters the text names itself. */
  readonly named: Readonly<Record<string, unknown>>;
  and(other: Where): Where;
  or(other: Where): Where;
  not(): Where;
}

/** Whether a value is a text filter. */
export function isWhere(value: unknown): value is Where {
  return typeof value === 'object' && value !== null && WHERE in value;
}

function make(parts: readonly (string | Bound)[], named: Readonly<Record<string, unknown>>): Where {
  const where: Where = {
    [WHERE]: true,
    parts,
    named,
    and: (other) => join('and', where, other),
    or: (other) => join('or', where, other),
    not: () => make(['not (', ...parts, ')'], named),
  };
  return where;
}

function join(word: 'and' | 'or', a: Where, b: Where): Where {
  for (const name of Object.keys(b.named)) {
    if (!Object.hasOwn(a.named, name) || Object.is(a.named[name], b.named[name])) continue;
    throw new ElanusError('filter_invalid', {
      why: `two filters give the parameter \`${name}\` different values`,
      hint: 'Name them apart.',
    });
  }
  const parts = ['(', ...a.parts, `) ${word} (`, ...b.parts, ')'];
  return make(parts, { ...a.named, ...b.named });
}

/**
 * A filter in Milvus' syntax. As a template tag every `${value}` is bound, never spliced:
 * `` expr`year >= ${y} and name like "item%"` ``; as a function, `{name}` takes its value from
 * `params`. Filters inside a template join it in parentheses.
 */
export function expr(text: string, params?: Readonly<Record<string, unknown>>): Where;
export function expr(strings: TemplateStringsArray, ...values: readonly unknown[]): Where;
export function expr(first: string | TemplateStringsArray, ...rest: readonly unknown[]): Where {
  if (typeof first === 'string') {
    return make([first], { ...(rest[0] as Readonly<Record<string, unknown>> | undefined) });
  }
  const parts: (string | Bound)[] = [];
  let named: Readonly<Record<string, unknown>> = {};
  first.raw.forEach((text, i) => {
    parts.push(text);
    if (i >= rest.length) return;
    const value = rest[i];
    if (!isWhere(value)) parts.push({ value });
    else {
      parts.push('(', ...value.parts, ')');
      named = { ...named, ...value.named };
    }
  });
  return make(parts, named);
}

/** What goes over the seam: text with one parameter for each bound value. */
export function wireFilterOf(where: Where): WireFilter {
  const params: Record<string, unknown> = { ...where.named };
  let count = 0;
  const text = where.parts.map((part) => {
    if (typeof part === 'string') return part;
    let name = `p${count++}`;
    while (Object.hasOwn(where.named, name)) name = `p${count++}`;
    params[name] = part.value;
    return `{${name}}`;
  });
  return { kind: 'text', text: text.join(''), params };
}

/** The builder form's view of one field or JSON path; see `WhereField`. */
function field(name: string, path: readonly (string | number)[]): object {
  const keys = path.map((part) => `[${JSON.stringify(part)}]`).join('');
  const operand = `\`${name}\`${keys}`;
  const compare = (op: string) => (value: unknown) => make([`${operand} ${op} `, { value }], {});
  const contains = (mode: string) => (values: unknown) =>
    make([`array_contains${mode}(${operand}, `, { value: values }, ')'], {});
  return {
    eq: compare('=='),
    ne: compare('!='),
    gt: compare('>'),
    gte: compare('>='),
    lt: compare('<'),
    lte: compare('<='),
    in: compare('in'),
    notIn: compare('not in'),
    like: compare('like'),
    between: (low: unknown, high: unknown) =>
      make([{ value: low }, ` <= ${operand} <= `, { value: high }], {}),
    isNull: () => make([`${operand} is null`], {}),
    isNotNull: () => make([`${operand} is not null`], {}),
    contains: contains(''),
    containsAny: contains('_any'),
    containsAll: contains('_all'),
    at: (...more: readonly (string | number)[]) => field(name, [...path, ...more]),
  };
}

/** The fields of any collection for the builder form, made as they are asked for. */
export function whereFields(): unknown {
  return new Proxy({}, { get: (_target, name) => field(String(name), []) });
}
