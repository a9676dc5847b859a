import type { FieldDefinition, IndexChoice, IndexChoiceKind, IndexKindRow } from '@elanus/core';
import { didYouMean, ElanusError, INDEX_KINDS, vectorShape } from '@elanus/core';

function refuse(field: string, argument: string, rest: { got: unknown; hint: string }): Error {
  const got = String(rest.got).slice(0, 64);
  return new ElanusError('invalid_argument', { argument, field, got, hint: rest.hint });
}

/**
 * Whether a field can have an index of this choice: a known kind, parameters of that kind within
 * their bounds, a metric that the kind serves. Pure; the same answer in the client and on the
 * server.
 *
 * @throws invalid_argument, limit_out_of_range with the field
 */
export function checkIndexChoice(field: FieldDefinition, choice: unknown): IndexChoice {
  const { name } = field;
  if (field.type !== 'vector') {
    const hint = 'Only vectors have an index to choose; scalars get theirs by themselves.';
    throw refuse(name, 'index', { got: field.type, hint });
  }
  if (typeof choice !== 'object' || choice === null || Array.isArray(choice)) {
    const hint = `Give an object: { kind: 'hnsw', m: 16 }.`;
    throw refuse(name, 'index', { got: choice, hint });
  }
  const given = choice as Readonly<Record<string, unknown>>;
  const row = kindRow(name, given['kind']);
  const { type } = vectorShape(field);
  if (!row.types.includes(type)) {
    const hint = `This kind is over vectors of ${row.types.join(', ')}.`;
    throw refuse(name, 'index.kind', { got: `${String(given['kind'])} over ${type}`, hint });
  }
  for (const [parameter, value] of Object.entries(given)) {
    if (parameter === 'kind' || value === undefined) continue;
    if (parameter === 'recall') checkRecall(name, value);
    else checkParameter(name, { parameter, value, row });
  }
  return checkTogether(name, choice as IndexChoice);
}

function kindRow(name: string, kind: unknown): IndexKindRow {
  const kinds = Object.keys(INDEX_KINDS);
  if (typeof kind === 'string' && kinds.includes(kind)) return INDEX_KINDS[kind as IndexChoiceKind];
  const hint = didYouMean(String(kind), kinds) ?? `It is one of ${kinds.join(', ')}.`;
  throw refuse(name, 'index.kind', { got: kind, hint });
}

function checkRecall(name: string, recall: unknown): void {
  if (typeof recall === 'number' && recall > 0 && recall <= 1) return;
  const hint = 'The share of true neighbours to be found: above 0, at most 1.';
  throw refuse(name, 'index.recall', { got: recall, hint });
}

function checkParameter(
  name: string,
  of: { readonly parameter: string; readonly value: unknown; readonly row: IndexKindRow },
): void {
  const { parameter, value, row } = of;
  const names = Object.keys(row.params);
  const bounds = Object.hasOwn(row.params, parameter) ? row.params[parameter] : undefined;
  if (bounds === undefined) {
    const known = ['recall', ...names];
    const hint = didYouMean(parameter, known) ?? `This kind takes ${known.join(', ')}.`;
    throw refuse(name, `index.${parameter}`, { got: value, hint });
  }
  const { min, max } = bounds;
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= max) return;
  throw new ElanusError('limit_out_of_range', {
    field: name,
    expected: `index.${parameter}: a whole number from ${min} to ${max}`,
    got: String(value).slice(0, 64),
  });
}

/** What two parameters say of each other. */
function checkTogether(name: string, choice: IndexChoice): IndexChoice {
  if (!('m' in choice || 'efConstruction' in choice)) return choice;
  const { m, efConstruction } = { m: 16, efConstruction: 200, ...choice };
  if ((efConstruction ?? 200) >= (m ?? 16)) return choice;
  throw new ElanusError('limit_out_of_range', {
    field: name,
    expected: `index.efConstruction: at least index.m, which is ${m}`,
    got: String(efConstruction),
  });
}
